import type { Camera } from '../stages/artefacts/camera.ts';
import type { HostGaussians } from '../stages/artefacts/gaussians.ts';
import type { ColmapPoint } from '../stages/load/colmap/write.ts';
import { random4 } from '../wgsl/core/index.ts';

/** A rendered view: colour f32 [H,W,4] with alpha, mean depth f32 [H,W]. */
export interface RenderedView {
  camera: Camera;
  color: Float32Array;
  depth: Float32Array;
}

const SEED = 1;
const LEAST_VIEWS = 3;
const DEPTH_TOLERANCE = 0.02; // of the depth
const OPAQUE = 0.9;

/**
 * Synthetic SfM points: `count` centres of Gaussians on the surface that at least three views see, each with the mean colour
 * of those views. Chosen at random with a fixed seed.
 */
export function surfacePoints(
  host: HostGaussians,
  views: readonly RenderedView[],
  count: number,
): ColmapPoint[] {
  const order = Array.from({ length: host.count }, (_, i) => i);
  const draws = order.map((i) => random4(SEED, 'init', 0, i)[0]);
  order.sort((a, b) => draws[a] - draws[b] || a - b);
  const points: ColmapPoint[] = [];
  for (const row of order) {
    if (points.length === count) break;
    const [x, y, z] = host.means.subarray(3 * row, 3 * row + 3);
    const position: [number, number, number] = [x, y, z];
    const seen = views.map((view) => colorSeen(view, position)).filter((color) => color !== undefined);
    if (seen.length < LEAST_VIEWS) continue;
    const mean = (c: number) =>
      Math.round((255 * seen.reduce((sum, color) => sum + color[c], 0)) / seen.length);
    points.push({ position, color: [clampByte(mean(0)), clampByte(mean(1)), clampByte(mean(2))] });
  }
  return points;
}

/** The view's colour at a point, if the point is on the visible surface. */
function colorSeen(
  { camera, color, depth }: RenderedView,
  [x, y, z]: readonly number[],
): number[] | undefined {
  const m = camera.viewmat;
  const cz = m[8] * x + m[9] * y + m[10] * z + m[11];
  if (cz <= 0) return undefined;
  const column = Math.floor((camera.fx * (m[0] * x + m[1] * y + m[2] * z + m[3])) / cz + camera.cx);
  const row = Math.floor((camera.fy * (m[4] * x + m[5] * y + m[6] * z + m[7])) / cz + camera.cy);
  if (column < 0 || column >= camera.width || row < 0 || row >= camera.height) return undefined;
  const pixel = row * camera.width + column;
  if (color[4 * pixel + 3] < OPAQUE || Math.abs(depth[pixel] - cz) > DEPTH_TOLERANCE * cz) return undefined;
  return [...color.subarray(4 * pixel, 4 * pixel + 3)];
}

/** rgb8 of a rendered picture: clamped, rounded to nearest. */
export function toBytes(color: Float32Array): Uint8Array {
  const pixels = color.length / 4;
  const out = new Uint8Array(3 * pixels);
  for (let p = 0; p < pixels; p++) {
    for (let c = 0; c < 3; c++) out[3 * p + c] = clampByte(Math.round(255 * color[4 * p + c]));
  }
  return out;
}

/** The rotation of a view matrix [4,4] row-major as a unit quaternion wxyz (Shepperd's method). */
export function quatOf(m: readonly number[]): [number, number, number, number] {
  const trace = m[0] + m[5] + m[10];
  const candidates = [trace, m[0], m[5], m[10]];
  const largest = candidates.indexOf(Math.max(...candidates));
  const quats: (() => [number, number, number, number])[] = [
    () => [1 + trace, m[9] - m[6], m[2] - m[8], m[4] - m[1]],
    () => [m[9] - m[6], 1 + m[0] - m[5] - m[10], m[1] + m[4], m[2] + m[8]],
    () => [m[2] - m[8], m[1] + m[4], 1 - m[0] + m[5] - m[10], m[6] + m[9]],
    () => [m[4] - m[1], m[2] + m[8], m[6] + m[9], 1 - m[0] - m[5] + m[10]],
  ];
  const quat = quats[largest]();
  const length = Math.hypot(...quat);
  return [quat[0] / length, quat[1] / length, quat[2] / length, quat[3] / length];
}

function clampByte(value: number): number {
  return Math.max(0, Math.min(255, value));
}
