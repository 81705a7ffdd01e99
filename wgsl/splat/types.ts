/** A pinhole camera, OpenCV axes; `viewmat` [4,4] row-major, world → camera; focal lengths and centre in pixels. */
export interface PinholeCamera {
  width: number;
  height: number;
  fx: number;
  fy: number;
  cx: number;
  cy: number;
  viewmat: readonly number[];
}

/** A splat's raw parameters, f32: means [N,3], logScales [N,3], quats [N,4] wxyz, opacityLogits [N], sh [N,K,3]. */
export interface GaussianBuffers {
  means: GPUBuffer;
  logScales: GPUBuffer;
  quats: GPUBuffer;
  opacityLogits: GPUBuffer;
  sh: GPUBuffer;
}

export type Rgb = readonly [number, number, number];

/** How to draw through a camera. */
export interface ViewOptions {
  /** Linear in the images' own space; black unless given. */
  background?: Rgb;
  /** SH bands in use; all that are stored unless given. */
  shDegree?: number;
  /** Named by the overflow latch, so that the host knows where to go on. */
  step?: number;
  /** Leaves out this part of the Gaussians (to 1/256), drawn by seed and step; the others are as much more opaque. None unless given. */
  dropout?: { share: number; seed: number };
}

/** Of a projected Gaussian: the widest row of those buffers that kernels see as a whole. */
export const PROJECTED_BYTES = 48;
