import * as z from 'zod';
import type { Recorder } from '../../../wgsl/core/index.ts';
import type { CheckpointTensors } from '../../optimizer/checkpoint-tensors.ts';
import type { TrainingState } from '../../optimizer/state.ts';
import { MeansNoise } from './noise.ts';
import { type RefineSchedule, refinements, refineOptions, refineSchedule, refinesAt } from './schedule.ts';
import { splitBest } from './split-best.ts';
import { RefinementStatistics } from './statistics.ts';
import { defineStrategy, type LearningRates, type Strategy, type StrategyContext } from './strategy.ts';

const options = z.strictObject({
  pace: z
    .number()
    .min(1)
    .default(2)
    .describe('Growth rate: 1 grows linearly to the cap; 2 grows twice as fast at first and then slows down'),
  minOpacity: z
    .number()
    .gt(0)
    .lt(1)
    .default(0.005)
    .describe('Gaussians of at most this opacity are replaced by splits of others'),
  minViews: z
    .number()
    .min(0)
    .default(1)
    .describe(
      'Gaussians seen by fewer training views are replaced by splits of others; 0 disables this. Ignored when there are more views than steps between densifications',
    ),
  noise: z.number().min(0).default(5e5).describe('Noise on the means, as a multiple of their learning rate'),
  opacityRegularizer: z
    .number()
    .min(0)
    .default(0.02)
    .describe('Weight of the opacity regularisation in the loss'),
  scaleRegularizer: z
    .number()
    .min(0)
    .default(0.01)
    .describe('Weight of the scale regularisation in the loss'),
  halfScale: z
    .number()
    .gt(0)
    .lt(1)
    .default(0.7)
    .describe('Scale of each half of a split along the longest axis, relative to the original'),
  halfShare: z
    .number()
    .gt(0)
    .max(1)
    .default(0.6)
    .describe('Each half of a split gets the opacity 1 − (1 − o)^halfShare'),
  ...refineOptions(0.6),
});
type Options = z.output<typeof options> & { cap: number };

/** A refinement splits each Gaussian at most once. */
const MAX_GROWTH = 2;

/** The number of Gaussians after a refinement, with `left` refinements to come. */
export function pacedCount(
  count: number,
  { cap, pace }: Pick<Options, 'cap' | 'pace'>,
  left: number,
): number {
  const paced = Math.ceil(count + (cap - count) * Math.min(1, pace / (left + 1)));
  return Math.max(count, Math.min(cap, MAX_GROWTH * count, paced));
}

/**
 * Grows to a given number of Gaussians at a fixed pace: splits those with the highest screen gradient along their longest
 * axis, and replaces Gaussians that are transparent or hardly visible in any view by further splits. Between refinements it
 * follows 3DGS-MCMC (Kheradmand et al. 2024): noise on the means, and regularisation of opacity and scale. docs/training.md
 * has an ablation.
 */
class Budget implements Strategy {
  readonly start = { opacity: 0.1, scale: 1 };
  readonly regularizers: { opacity: number; scale: number };
  readonly #state: TrainingState;
  readonly #options: Options;
  readonly #context: StrategyContext;
  readonly #schedule: RefineSchedule;
  readonly #noise: MeansNoise;
  readonly #statistics: RefinementStatistics;
  /** The steps that the statistics cover. */
  #seen: number[];

  private constructor(
    state: TrainingState,
    options: Options,
    context: StrategyContext,
    noise: MeansNoise,
    statistics: RefinementStatistics,
  ) {
    this.#state = state;
    this.#options = options;
    this.#context = context;
    this.#schedule = refineSchedule(options, context.steps);
    this.#noise = noise;
    this.#statistics = statistics;
    this.regularizers = { opacity: options.opacityRegularizer, scale: options.scaleRegularizer };
    this.#seen = stepsSince(this.#schedule, context.from ?? 0);
  }

  static async create(state: TrainingState, options: Options, context: StrategyContext): Promise<Budget> {
    const statistics = await RefinementStatistics.create(state);
    return new Budget(state, options, context, await MeansNoise.create(state, context.seed), statistics);
  }

  recordStep(recorder: Recorder, step: number, rates: LearningRates): void {
    // A step that is redone counts once.
    while (this.#seen.length && this.#seen[this.#seen.length - 1] >= step) this.#seen.pop();
    this.#seen.push(step);
    if (step < this.#schedule.stop) this.#statistics.record(recorder);
    const scale = this.#options.noise * rates.means;
    this.#noise.recordStep(recorder, { step, scale }, this.refineDue(step));
  }

  refineDue(step: number): boolean {
    return refinesAt(this.#schedule, step);
  }

  async refine(step: number): Promise<void> {
    const { cap, minOpacity, halfScale: narrow, halfShare: share } = this.#options;
    const minViews = this.#sightingsWanted();
    const rows = pacedCount(this.#state.count, this.#options, refinements(this.#schedule, step + 1));
    const { buffer: statistics } = this.#statistics;
    await splitBest(this.#state, { statistics, rows, cap, minOpacity, minViews, narrow, share });
    this.#statistics.reset();
    this.#seen = [];
    this.#noise.flush(step);
  }

  checkpointTensors(): CheckpointTensors {
    return this.#statistics.checkpointTensors();
  }

  destroy(): void {
    this.#statistics.destroy();
    this.#noise.destroy();
  }

  /** `minViews` in steps; 0 if the steps since the last refinement cannot have covered all views. */
  #sightingsWanted(): number {
    const { views } = this.#context;
    const steps = this.#seen.length;
    return steps < views ? 0 : (this.#options.minViews * steps) / views;
  }
}

/** The steps from the last refinement before `from` up to `from`. Ignores steps that a time budget skipped. */
function stepsSince(schedule: RefineSchedule, from: number): number[] {
  let first = from;
  while (first > 0 && !refinesAt(schedule, first - 1)) first--;
  return Array.from({ length: from - first }, (_, i) => first + i);
}

export const budgetStrategy = defineStrategy({
  summary: 'grows to cap at a fixed pace, splitting where the screen gradient is highest',
  options,
  cap: 200_000,
  recipe: {
    rates: { means: 3.2e-4, scales: 1e-2, quats: 3e-3, opacity: 5e-2, sh: 2.5e-3 },
    anneal: { from: 0.85, to: 0.1 },
    dropout: 0.1,
    shInterval: 0,
  },
  finalCount(count, options, steps, from) {
    return refinements(refineSchedule(options, steps), from) ? Math.max(count, options.cap) : count;
  },
  create: (state, options, context) => Budget.create(state, options, context),
});
