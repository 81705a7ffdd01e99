import { z } from 'zod';
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
    .describe('How fast it grows at first: 1 is evenly up to the cap, 2 twice as fast, slowing down'),
  minOpacity: z
    .number()
    .gt(0)
    .lt(1)
    .default(0.005)
    .describe('Opacity up to which a Gaussian is given to a split'),
  minViews: z
    .number()
    .min(0)
    .default(1)
    .describe(
      'Training views that must see a Gaussian; one that fewer see is given to a split. 0: none is. Does not count where there are more views than steps between refinements',
    ),
  noise: z.number().min(0).default(5e5).describe('Rate of the noise on the means; × their learning rate'),
  opacityRegularizer: z.number().min(0).default(0.02).describe('Weight of the mean opacity in the loss'),
  scaleRegularizer: z.number().min(0).default(0.01).describe('Weight of the mean scale in the loss'),
  halfScale: z
    .number()
    .gt(0)
    .lt(1)
    .default(0.7)
    .describe('What a half of a split keeps of the longest scale'),
  halfShare: z
    .number()
    .gt(0)
    .max(1)
    .default(0.6)
    .describe('A half of a Gaussian of opacity o gets 1 − (1 − o)^halfShare'),
  ...refineOptions(0.6),
});
type Options = z.output<typeof options> & { cap: number };

/** A refinement splits each Gaussian once at most. */
const MOST_GROWTH = 2;

/** Gaussians after a refinement that `left` others follow. */
export function pacedCount(
  count: number,
  { cap, pace }: Pick<Options, 'cap' | 'pace'>,
  left: number,
): number {
  const paced = Math.ceil(count + (cap - count) * Math.min(1, pace / (left + 1)));
  return Math.max(count, Math.min(cap, MOST_GROWTH * count, paced));
}

/**
 * Spends a given number of Gaussians: it grows to the cap at a pace that is known beforehand, by splitting along their longest axis those
 * whose screen gradient is highest, and gives what is dead, or what hardly any view sees, to further splits. Between refinements it is
 * 3DGS-MCMC (Kheradmand et al. 2024): noise on the means, and an opacity and a scale regulariser. docs/training.md says what each
 * part gave.
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
  /** The steps that the statistics are of. */
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
    // What is done again after a void step counts once.
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

  /** `minViews` in steps; 0 where the steps since the last refinement cannot have shown all views. */
  #sightingsWanted(): number {
    const { views } = this.#context;
    const steps = this.#seen.length;
    return steps < views ? 0 : (this.#options.minViews * steps) / views;
  }
}

/** The steps before `from` and behind the refinement before it. That a budget of time left some out is not kept. */
function stepsSince(schedule: RefineSchedule, from: number): number[] {
  let first = from;
  while (first > 0 && !refinesAt(schedule, first - 1)) first--;
  return Array.from({ length: from - first }, (_, i) => first + i);
}

export const budgetStrategy = defineStrategy({
  summary: 'grow to cap at a set pace, by splits where the screen gradient is highest',
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
