/** Learning rates, SH bands and dropout over a training of `steps` steps. */

/** Final learning rate of the means relative to the initial one; the decay is exponential. */
const MEANS_DECAY = 0.01;
/** 3DGS increments the SH degree every 1000 steps; runs shorter than 7000 steps scale the interval. */
const SH_INTERVAL = 1000;
const SH_PARTS = 7;

export function meansRate(step: number, steps: number, rate: number, extent: number): number {
  return rate * extent * MEANS_DECAY ** (step / steps);
}

/** Final learning rate of the exposures relative to the initial one (3DGS); the decay is exponential. */
const EXPOSURE_DECAY = 0.1;

export function exposureRate(step: number, steps: number, rate: number): number {
  return rate * EXPOSURE_DECAY ** (step / steps);
}

/** Final learning rate of the poses relative to the initial one; the decay is exponential. */
const POSE_DECAY = 0.01;

export function poseRate(step: number, steps: number, rate: number): number {
  return rate * POSE_DECAY ** (step / steps);
}

/** Fraction of the steps after which dropout ends: the last steps train on the final splat. */
const DROPOUT_UNTIL = 0.98;

export function dropoutAt(step: number, steps: number, share: number): number {
  return step < DROPOUT_UNTIL * steps ? share : 0;
}

/** SH degree in use at a step. */
export function shDegreeAt(step: number, steps: number, shDegree: number, interval?: number): number {
  const every = interval ?? Math.min(SH_INTERVAL, Math.ceil(steps / SH_PARTS));
  return every === 0 ? shDegree : Math.min(shDegree, Math.floor(step / every));
}
