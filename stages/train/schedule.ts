/** Learning rates and SH bands over a training of `steps` steps: 3DGS's and gsplat's, scaled to short runs. */

/** gsplat's rates; the means' is per unit of scene extent. */
export const RATES = { means: 1.6e-4, scales: 5e-3, quats: 1e-3, opacity: 5e-2, sh: 2.5e-3 } as const;
/** The means' rate falls to this part of itself over the training, by the same factor each step. */
const MEANS_DECAY = 0.01;
/** 3DGS raises the SH degree every 1000 steps; a run of fewer than 7000 keeps the proportion. */
const SH_INTERVAL = 1000;
const SH_PARTS = 7;

export function meansRate(step: number, steps: number, rate: number, extent: number): number {
  return rate * extent * MEANS_DECAY ** (step / steps);
}

/** Bands in use at a step. */
export function shDegreeAt(step: number, steps: number, shDegree: number, interval?: number): number {
  const every = interval ?? Math.min(SH_INTERVAL, Math.ceil(steps / SH_PARTS));
  return every === 0 ? shDegree : Math.min(shDegree, Math.floor(step / every));
}
