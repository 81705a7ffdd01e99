import * as z from 'zod';
import type { Recipe } from './strategy.ts';

/** Length of the runs that the published schedules assume. */
export const PUBLISHED_STEPS = 30_000;

/** The learning rates of 3DGS (Kerbl et al. 2023), as in gsplat. */
export const PUBLISHED: Recipe = {
  rates: { means: 1.6e-4, scales: 5e-3, quats: 1e-3, opacity: 5e-2, sh: 2.5e-3 },
  dropout: 0,
};

/** When a strategy refines. Steps count from 0. */
export interface RefineSchedule {
  /** Refine after steps in (start, stop) … */
  start: number;
  stop: number;
  /** … that are multiples of this. */
  every: number;
}

/** The options of a schedule. `until`: default of `refineUntil`. */
export function refineOptions(until: number) {
  return {
    refineStart: z
      .number()
      .int()
      .min(0)
      .default(500)
      .describe('First step of densification; at most a tenth of the steps'),
    refineUntil: z
      .number()
      .min(0)
      .max(1)
      .default(until)
      .describe('Fraction of the steps after which densification ends'),
    refineEvery: z.number().int().min(1).default(100).describe('Steps between densifications'),
  };
}

export interface RefineOptions {
  refineStart: number;
  refineUntil: number;
  refineEvery: number;
}

/**
 * The schedule of a run of `steps`. The end is relative to the run. The interval is absolute, because gradient statistics and
 * opacity decay between two refinements need a number of steps. The start is absolute, but at most a tenth of the run, so
 * that short runs grow too.
 */
export function refineSchedule(options: RefineOptions, steps: number): RefineSchedule {
  return {
    start: Math.min(options.refineStart, Math.floor(steps / 10)),
    stop: Math.round(options.refineUntil * steps),
    every: options.refineEvery,
  };
}

export function refinesAt({ start, stop, every }: RefineSchedule, step: number): boolean {
  return step > start && step < stop && step % every === 0;
}

/** The number of refinements from step `from` on. */
export function refinements({ start, stop, every }: RefineSchedule, from = 0): number {
  return Math.max(0, Math.floor((stop - 1) / every) - Math.floor(Math.max(start, from - 1) / every));
}
