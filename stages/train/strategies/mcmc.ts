import * as z from 'zod';
import type { Recorder } from '../../../wgsl/core/index.ts';
import { requireRows } from '../../../wgsl/splat/row-capacity.ts';
import type { CheckpointTensors } from '../../optimizer/checkpoint-tensors.ts';
import type { TrainingState } from '../../optimizer/state.ts';
import { MeansNoise } from './noise.ts';
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
  noise: z.number().min(0).default(5e5).describe('Noise on the means, as a multiple of their learning rate'),
  minOpacity: z
    .number()
    .gt(0)
    .lt(1)
    .default(0.005)
    .describe('Gaussians of at most this opacity are relocated'),
  opacityRegularizer: z
    .number()
    .min(0)
    .default(0.01)
    .describe('Weight of the opacity regularisation in the loss'),
  scaleRegularizer: z
    .number()
    .min(0)
    .default(0.01)
    .describe('Weight of the scale regularisation in the loss'),
  growth: z.number().positive().default(0.05).describe('Fraction of Gaussians that each densification adds'),
  ...refineOptions(25 / 30),
});
export type McmcOptions = z.output<typeof options> & { cap: number };

/** The number of Gaussians after one refinement; needs no readback. */
export function grownCount(count: number, { cap, growth }: Pick<McmcOptions, 'cap' | 'growth'>): number {
  return Math.max(count, Math.min(cap, Math.floor((1 + growth) * count)));
}

/** The final number of Gaussians of a run of `steps` that has `count` before step `from`. */
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
 * Kheradmand et al., "3D Gaussian Splatting as Markov Chain Monte Carlo" (2024), as in gsplat's MCMCStrategy: noise on the
 * means every step; each refinement relocates dead Gaussians to live ones and adds 5 % up to a cap.
 */
class Mcmc implements Strategy {
  readonly start = { opacity: 0.5, scale: 0.1 };
  readonly regularizers: { opacity: number; scale: number };
  readonly #state: TrainingState;
  readonly #options: McmcOptions;
  readonly #seed: number;
  readonly #schedule: RefineSchedule;
  readonly #noise: MeansNoise;

  private constructor(
    state: TrainingState,
    options: McmcOptions,
    { seed, steps }: StrategyContext,
    noise: MeansNoise,
  ) {
    this.#state = state;
    this.#options = options;
    this.#seed = seed;
    this.#schedule = refineSchedule(options, steps);
    this.#noise = noise;
    this.regularizers = { opacity: options.opacityRegularizer, scale: options.scaleRegularizer };
  }

  static async create(state: TrainingState, options: McmcOptions, context: StrategyContext): Promise<Mcmc> {
    return new Mcmc(state, options, context, await MeansNoise.create(state, context.seed));
  }

  recordStep(recorder: Recorder, step: number, rates: LearningRates): void {
    const scale = this.#options.noise * rates.means;
    this.#noise.recordStep(recorder, { step, scale }, this.refineDue(step));
  }

  refineDue(step: number): boolean {
    return refinesAt(this.#schedule, step);
  }

  async refine(step: number): Promise<void> {
    const { cap, minOpacity } = this.#options;
    const redistribution: Redistribution = { seed: this.#seed, step, minOpacity };
    await relocateDead(this.#state, redistribution);
    const rows = grownCount(this.#state.count, this.#options);
    if (rows > this.#state.count) await addCopies(this.#state, redistribution, rows, cap);
    this.#noise.flush(step);
  }

  /** None: noise is drawn by counter, and deferred noise is flushed before the step ends. */
  checkpointTensors(): CheckpointTensors {
    return {};
  }

  destroy(): void {
    this.#noise.destroy();
  }
}

export const mcmcStrategy = defineStrategy({
  summary: '3DGS-MCMC; adds noise, relocates dead Gaussians, grows to cap',
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
