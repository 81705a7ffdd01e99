import type { Recipe } from './strategies/index.ts';

/** Learning rates, SH bands and dropout over a training of `steps` steps. */

/** The means' rate falls to this part of itself over the training, by the same factor each step. */
const MEANS_DECAY = 0.01;
/** 3DGS raises the SH degree every 1000 steps; a run of fewer than 7000 keeps the proportion. */
const SH_INTERVAL = 1000;
const SH_PARTS = 7;

export function meansRate(step: number, steps: number, rate: number, extent: number): number {
  return rate * extent * MEANS_DECAY ** (step / steps);
}

/** What is left at a step of the rates other than the means'. */
export function annealed(step: number, steps: number, anneal: Recipe['anneal']): number {
  if (!anneal) return 1;
  const late = Math.max(0, step / steps - anneal.from) / Math.max(1 / steps, 1 - anneal.from);
  return anneal.to ** late;
}

/** The last steps leave nothing out: they see what will be seen. */
const DROPOUT_UNTIL = 0.98;

export function dropoutAt(step: number, steps: number, share: number): number {
  return step < DROPOUT_UNTIL * steps ? share : 0;
}

/** Bands in use at a step. */
export function shDegreeAt(step: number, steps: number, shDegree: number, interval?: number): number {
  const every = interval ?? Math.min(SH_INTERVAL, Math.ceil(steps / SH_PARTS));
  return every === 0 ? shDegree : Math.min(shDegree, Math.floor(step / every));
}
