import { type Gpu, KERNEL_TARGETS } from '../../wgsl/core/index.ts';
import { type RasterShape, tileFor } from '../../wgsl/splat/raster-shape.ts';
import type { RasterCase } from '../reference/layouts/raster.ts';
import type { Camera } from '../reference/project.ts';
import { uniform } from './numbers.ts';

export interface SceneOptions {
  seed: number;
  count: number;
  width: number;
  height: number;
  shDegree: number;
  /** Bands stored beyond those in use. */
  storedDegree?: number;
  /** Range of opacity logits; −2 to 4 unless given. */
  opacityLogits?: [number, number];
  /** Range of log scales; −3.5 to −1 unless given. */
  logScales?: [number, number];
  antialias?: boolean;
}

/**
 * Gaussians in and around the view of a camera that looks aslant, with fx ≠ fy and an off-centre principal point; some lie
 * behind it, some far outside, where the Jacobian is clamped, and quaternions are of any length.
 */
export function rasterScene(options: SceneOptions): RasterCase {
  const { seed, count, width, height, shDegree, storedDegree = shDegree } = options;
  const [x, y, z] = [0, 1, 2].map((axis) => uniform(count, seed + axis, -1, 1));
  const bands = (storedDegree + 1) ** 2;
  const pixels = width * height;
  return {
    splat: {
      means: Float32Array.from({ length: 3 * count }, (_, i) => {
        const row = Math.floor(i / 3);
        return i % 3 === 2 ? 3 * z[row] : 2.2 * (i % 3 === 0 ? x : y)[row];
      }),
      logScales: uniform(3 * count, seed + 3, ...(options.logScales ?? [-3.5, -1])),
      quats: uniform(4 * count, seed + 4, -2, 2),
      opacityLogits: uniform(count, seed + 5, ...(options.opacityLogits ?? [-2, 4])),
      sh: uniform(3 * bands * count, seed + 6, -0.8, 0.8),
    },
    camera: {
      width,
      height,
      fx: 0.9 * width,
      fy: 1.1 * width,
      cx: 0.46 * width,
      cy: 0.57 * height,
      viewmat: aslant(),
    },
    background: [0.2, 0.5, 0.8],
    antialias: options.antialias,
    shDegree,
    storedDegree,
    weightImage: uniform(3 * pixels, seed + 7, -1, 1),
    weightAlpha: uniform(pixels, seed + 8, -1, 1),
  };
}

/** The camera as the reference takes it. */
export function referenceCamera({ camera }: RasterCase): Camera {
  const { viewmat, ...rest } = camera;
  return { ...rest, viewmat: [0, 1, 2, 3].map((row) => viewmat.slice(4 * row, 4 * row + 4)) };
}

/** Turned about two axes and 2.5 back from the origin: a third of the Gaussians lie behind or beside it. */
function aslant(): number[] {
  const [a, b] = [0.35, -0.2];
  const [ca, sa, cb, sb] = [Math.cos(a), Math.sin(a), Math.cos(b), Math.sin(b)];
  return [ca, 0, sa, 0.1, sa * sb, cb, -ca * sb, -0.2, -sa * cb, sb, ca * cb, 2.5, 0, 0, 0, 1].map(
    Math.fround,
  );
}

/** The targets to test on a device, each with its tiles: its own target, and the others that it supports on any adapter. */
export function shapesOf(gpu: Gpu): RasterShape[] {
  return KERNEL_TARGETS.filter((target) => gpu.supports(target)).map((target) => ({
    target,
    tile: tileFor({ target }),
  }));
}
