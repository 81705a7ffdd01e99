import type { Constants } from '../core/index.ts';

/**
 * A pinhole camera with OpenCV axes (x right, y down, z forward). `viewmat` is [4,4] row-major, world → camera; size, focal
 * lengths and principal point are in pixels, and pixel centres are at +0.5.
 */
export interface PinholeCamera {
  width: number;
  height: number;
  fx: number;
  fy: number;
  cx: number;
  cy: number;
  viewmat: readonly number[];
}

/**
 * A splat's raw parameters, f32: means [N,3] in world units, logScales [N,3] (natural logarithms), quats [N,4] (wxyz, of any
 * length), opacityLogits [N], sh [N,K,3] with K = (degree + 1)². Buffers hold N rows or more; `SplatAdam` needs sizes that are
 * multiples of 16 bytes.
 */
export interface GaussianBuffers {
  means: GPUBuffer;
  logScales: GPUBuffer;
  quats: GPUBuffer;
  opacityLogits: GPUBuffer;
  sh: GPUBuffer;
}

/** SH band 0: colour = 0.5 + SH_C0 · coefficient (3DGS). */
export const SH_C0 = 0.28209479177387814;

/** Red, green, blue, in the pictures' own space; 0 to 1. */
export type Rgb = readonly [number, number, number];

/** Options of rendering through a camera. */
export interface ViewOptions {
  /** Colour behind the Gaussians, in the pictures' own space; black unless given. */
  background?: Rgb;
  /** SH degree in use; the stored degree unless given. */
  shDegree?: number;
  /** The number of the training step, for the counter `FAILED` and for `dropout`; 0 unless given. */
  step?: number;
  /**
   * Drops this share of the Gaussians (in steps of 1/256), drawn by seed and step, and raises the opacity of the others to match. None
   * unless given.
   */
  dropout?: { share: number; seed: number };
}

/** Bytes of a projected Gaussian: the widest row of the buffers that kernels bind whole. */
export const PROJECTED_BYTES = 48;

/**
 * Words of the rasteriser's counters. `VISIBLE`: visible Gaussians. `WANTED`: intersections of this view. `INTERSECTIONS`: those that are
 * processed: `WANTED`, or 0 once the capacity was exceeded. `FAILED`: 1 + the step that first exceeded the capacity, otherwise 0.
 * `NEEDED`: `WANTED` of that step.
 */
export const RASTER_COUNTERS = { VISIBLE: 0, WANTED: 1, INTERSECTIONS: 2, FAILED: 3, NEEDED: 4 } as const;
export const RASTER_COUNTER_WORDS = 5;

/** The constants of kernels that include `sh` and `sh-rows`, for SH with this many stored bands. */
export function shConstants(shDegree: number): Constants {
  // Rows of 3 floats: those of degrees 1 and 3 fill whole vec4f.
  const wide = (shDegree + 1) ** 2 % 4 === 0;
  return { SH_DEGREE: shDegree, SH_WORD: wide ? 'vec4f' : 'f32', SH_STEP: wide ? 4 : 1 };
}

/** Bytes of a Gaussian's SH. */
export function shRowBytes(shDegree: number): number {
  return 12 * (shDegree + 1) ** 2;
}
