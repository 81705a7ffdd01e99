import { type Camera, dot, normalize, type Vec3 } from '../../artefacts/camera.ts';
import type { Picture } from './path.ts';

/** Unit quaternion [w, x, y, z]: camera to world, with OpenCV's camera axes (x right, y down, z forward). */
export type Quaternion = readonly [number, number, number, number];

/** The camera at an eye with a camera-to-world rotation. */
export function viewmatOf(eye: Vec3, quaternion: Quaternion): number[] {
  const length = Math.hypot(...quaternion);
  const [w, x, y, z] = quaternion.map((value) => value / length);
  const right: Vec3 = [1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y)];
  const down: Vec3 = [2 * (x * y - w * z), 1 - 2 * (x * x + z * z), 2 * (y * z + w * x)];
  const forward: Vec3 = [2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)];
  const row = (axis: Vec3) => [...axis, -dot(axis, eye)];
  return [...row(right), ...row(down), ...row(forward), 0, 0, 0, 1];
}

/** The camera-to-world rotation of a viewmat, by the largest of the four components (Shepperd 1978). */
export function quaternionOf({ viewmat: m }: Pick<Camera, 'viewmat'>): Quaternion {
  // Columns of the rotation camera → world are rows of the viewmat: r(i, j) = m[4 j + i].
  const r = (i: number, j: number) => m[4 * j + i];
  const trace = r(0, 0) + r(1, 1) + r(2, 2);
  const largest = [trace, r(0, 0), r(1, 1), r(2, 2)];
  const k = largest.indexOf(Math.max(...largest));
  const q =
    k === 0
      ? [1 + trace, r(2, 1) - r(1, 2), r(0, 2) - r(2, 0), r(1, 0) - r(0, 1)]
      : k === 1
        ? [r(2, 1) - r(1, 2), 1 + r(0, 0) - r(1, 1) - r(2, 2), r(0, 1) + r(1, 0), r(0, 2) + r(2, 0)]
        : k === 2
          ? [r(0, 2) - r(2, 0), r(0, 1) + r(1, 0), 1 - r(0, 0) + r(1, 1) - r(2, 2), r(1, 2) + r(2, 1)]
          : [r(1, 0) - r(0, 1), r(0, 2) + r(2, 0), r(1, 2) + r(2, 1), 1 - r(0, 0) - r(1, 1) + r(2, 2)];
  const length = Math.hypot(...q);
  return [q[0] / length, q[1] / length, q[2] / length, q[3] / length];
}

/** Square pixels and a centred principal point. `focal`: pixels. */
export function centredCamera(viewmat: readonly number[], focal: number, { width, height }: Picture): Camera {
  return { width, height, fx: focal, fy: focal, cx: width / 2, cy: height / 2, viewmat };
}

/** Focal length ÷ height of the picture of a vertical field of view, degrees. */
export function focalOfFov(degrees: number): number {
  return 0.5 / Math.tan((degrees * Math.PI) / 360);
}

/** The mean direction of unit vectors; shorter than 1 where they differ. */
export function meanDirection(axes: readonly Vec3[]): { axis: Vec3; length: number } {
  const sum = axes.reduce<Vec3>(([x, y, z], a) => [x + a[0], y + a[1], z + a[2]], [0, 0, 0]);
  return { axis: normalize(sum), length: Math.hypot(...sum) / axes.length };
}
