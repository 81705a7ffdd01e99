import { z } from 'zod';
import type { Recipe } from './strategy.ts';

/** Steps of the published schedules, which are for runs of this length. */
export const PUBLISHED_STEPS = 30_000;

/** How 3DGS and gsplat learn (Kerbl et al. 2023, as gsplat has it). */
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

/** The options that make a schedule; `until`: the published part of the steps. */
export function refineOptions(until: number) {
  return {
    refineStart: z
      .number()
      .int()
      .min(0)
      .default(500)
      .describe('Step after which refining starts, a tenth of the steps at the latest'),
    refineUntil: z.number().min(0).max(1).default(until).describe('Part of the steps in which it refines'),
    refineEvery: z.number().int().min(1).default(100).describe('Steps between refinements'),
  };
}

export interface RefineOptions {
  refineStart: number;
  refineUntil: number;
  refineEvery: number;
}

/**
 * The schedule of a run of `steps`: the end is a part of the run; the interval is absolute, as what happens between two
 * refinements (gradient statistics, opacity decay) takes a number of steps, not a part of the run; the start is absolute
 * but no later than a tenth of the run, so that short runs grow at all.
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

/** How many refinements the schedule has, after step `from` and those that follow. */
export function refinements({ start, stop, every }: RefineSchedule, from = 0): number {
  return Math.max(0, Math.floor((stop - 1) / every) - Math.floor(Math.max(start, from - 1) / every));
}
