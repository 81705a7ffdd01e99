/**
 * A splat on the GPU. Buffers are f32, tightly packed, and may be longer than `count` rows.
 *
 *     means [N,3] world units      logScales [N,3] natural log of world units
 *     quats [N,4] wxyz, any length opacityLogits [N]
 *     sh [N,K,3] K = (shDegree+1)², band 0 first, 3DGS's order and signs (C0 = 0.28209479)
 */
export interface Gaussians {
  count: number;
  shDegree: 0 | 1 | 2 | 3;
  means: GPUBuffer;
  logScales: GPUBuffer;
  quats: GPUBuffer;
  opacityLogits: GPUBuffer;
  sh: GPUBuffer;
}

export const GAUSSIAN_PARAMETERS = ['means', 'logScales', 'quats', 'opacityLogits', 'sh'] as const;
export type GaussianParameter = (typeof GAUSSIAN_PARAMETERS)[number];

/** Floats per Gaussian of each parameter. */
export function parameterWidths(shDegree: number): Record<GaussianParameter, number> {
  return { means: 3, logScales: 3, quats: 4, opacityLogits: 1, sh: 3 * (shDegree + 1) ** 2 };
}
