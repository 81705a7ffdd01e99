import { z } from 'zod';
import type { Arena, Recorder } from '../../../wgsl/core/index.ts';
import { PerturbMeans } from '../../../wgsl/splat/densify/perturb_means.ts';
import { requireRows } from '../../../wgsl/splat/row_capacity.ts';
import type { KeptParts } from '../../optimizer/kept.ts';
import type { TrainingState } from '../../optimizer/state.ts';
import { addCopies, type Redistribution, relocateDead } from './redistribute.ts';
import {
  PUBLISHED,
  type RefineSchedule,
  refinements,
  refineOptions,
  refineSchedule,
  refinesAt,
} from './schedule.ts';
import { defineStrategy, type LearningRates, type Strategy, type StrategyContext } from './strategy.ts';

const options = z.strictObject({
  noise: z.number().min(0).default(5e5).describe('Rate of the noise on the means; × their learning rate'),
  minOpacity: z.number().gt(0).lt(1).default(0.005).describe('Opacity up to which a Gaussian is relocated'),
  opacityRegularizer: z.number().min(0).default(0.01).describe('Weight of the mean opacity in the loss'),
  scaleRegularizer: z.number().min(0).default(0.01).describe('Weight of the mean scale in the loss'),
  growth: z.number().positive().default(0.05).describe('Part of the Gaussians that a refinement adds'),
  ...refineOptions(25 / 30),
});
export type McmcOptions = z.output<typeof options> & { cap: number };

/** The number of Gaussians after one refinement; known without asking the GPU. */
export function grownCount(count: number, { cap, growth }: Pick<McmcOptions, 'cap' | 'growth'>): number {
  return Math.max(count, Math.min(cap, Math.floor((1 + growth) * count)));
}

/** How many Gaussians a run of `steps` ends with that has `count` before step `from`. */
export function finalCount(count: number, options: McmcOptions, steps: number, from = 0): number {
  let final = count;
  for (let left = refinements(refineSchedule(options, steps), from); left > 0; left--) {
    const grown = grownCount(final, options);
    if (grown === final) break;
    final = grown;
  }
  return final;
}

/**
 * Kheradmand et al., "3D Gaussian Splatting as Markov Chain Monte Carlo" (2024), as gsplat's MCMCStrategy has it: noise on
 * the means every step; at each refinement the dead move onto the living, and five in a hundred are added up to a cap.
 */
class Mcmc implements Strategy {
  readonly start = { opacity: 0.5, scale: 0.1 };
  readonly regularizers: { opacity: number; scale: number };
  readonly #state: TrainingState;
  readonly #options: McmcOptions;
  readonly #seed: number;
  readonly #schedule: RefineSchedule;
  readonly #arena: Arena;
  readonly #perturb: PerturbMeans;
  #version = -1;
  /** Noise that a refinement has to give, as it comes before the noise of its step. */
  #owed?: { step: number; scale: number };

  private constructor(
    state: TrainingState,
    options: McmcOptions,
    { seed, steps }: StrategyContext,
    arena: Arena,
    perturb: PerturbMeans,
  ) {
    this.#state = state;
    this.#options = options;
    this.#seed = seed;
    this.#schedule = refineSchedule(options, steps);
    this.#arena = arena;
    this.#perturb = perturb;
    this.regularizers = { opacity: options.opacityRegularizer, scale: options.scaleRegularizer };
  }

  static async create(state: TrainingState, options: McmcOptions, context: StrategyContext): Promise<Mcmc> {
    const arena = state.gpu.arena('train/mcmc');
    try {
      return new Mcmc(state, options, context, arena, await PerturbMeans.create(arena));
    } catch (error) {
      arena.destroy();
      throw error;
    }
  }

  recordStep(recorder: Recorder, step: number, rates: LearningRates): void {
    const scale = this.#options.noise * rates.means;
    if (this.refineDue(step)) this.#owed = { step, scale };
    else this.#noise(recorder, { step, scale });
  }

  refineDue(step: number): boolean {
    return refinesAt(this.#schedule, step);
  }

  async refine(step: number): Promise<void> {
    const owed = this.#owed;
    if (owed?.step !== step) throw new Error(`mcmc refines after step ${step}, which was not recorded`);
    this.#owed = undefined;
    const { cap, minOpacity } = this.#options;
    const redistribution: Redistribution = { seed: this.#seed, step, minOpacity };
    await relocateDead(this.#state, redistribution);
    const rows = grownCount(this.#state.count, this.#options);
    if (rows > this.#state.count) await addCopies(this.#state, redistribution, rows, cap);
    this.#state.gpu.run('train/mcmc/noise', (recorder) => this.#noise(recorder, owed));
  }

  /** Nothing: noise is drawn by counter, and what is owed is paid before the step is over. */
  kept(): KeptParts {
    return {};
  }

  destroy(): void {
    this.#arena.destroy();
  }

  #noise(recorder: Recorder, { step, scale }: { step: number; scale: number }): void {
    if (scale === 0) return;
    const { version, count, counts, parameters } = this.#state;
    if (this.#version !== version) {
      this.#perturb.bind({ counts, ...parameters });
      this.#version = version;
    }
    this.#perturb.record(recorder, count, { seed: this.#seed, step, scale });
  }
}

export const mcmcStrategy = defineStrategy({
  summary: 'as 3DGS-MCMC, add noise, relocate the dead, grow to a cap',
  options,
  cap: 1_000_000,
  recipe: PUBLISHED,
  finalCount,
  async create(state, options, context) {
    const { gpu, shDegree } = state;
    const rows = finalCount(state.count, options, context.steps, context.from);
    requireRows(
      gpu,
      { shDegree, rows },
      `cap ${options.cap} lets the splat grow to`,
      (limit) => `Set train.cap to at most ${limit}`,
    );
    return Mcmc.create(state, options, context);
  },
});
