import { z } from 'zod';
import type { Arena, Recorder } from '../../../wgsl/core/index.ts';
import { PerturbMeans } from '../../../wgsl/splat/densify/perturb_means.ts';
import { ScreenStatistics, STATISTICS_WIDTH } from '../../../wgsl/splat/densify/screen_statistics.ts';
import type { KeptParts } from '../../optimizer/kept.ts';
import type { TrainingState } from '../../optimizer/state.ts';
import { type RefineSchedule, refinements, refineOptions, refineSchedule, refinesAt } from './schedule.ts';
import { splitBest } from './split-best.ts';
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
  /** Of the noise, for good; of the statistics, for as long as the state's buffers. */
  readonly #arena: Arena;
  readonly #arenaOfRows: Arena;
  readonly #collect: ScreenStatistics;
  readonly #perturb: PerturbMeans;
  #statistics: GPUBuffer;
  /** The state's version that the statistics and the bindings belong to. */
  #version = -1;
  /** Noise that a refinement has to give, as it comes before the noise of its step. */
  #owed?: { step: number; scale: number };
  /** The steps that the statistics are of. */
  #seen: number[];

  private constructor(
    state: TrainingState,
    options: Options,
    context: StrategyContext,
    { arena, arenaOfRows }: { arena: Arena; arenaOfRows: Arena },
    kernels: { collect: ScreenStatistics; perturb: PerturbMeans },
  ) {
    this.#state = state;
    this.#options = options;
    this.#context = context;
    this.#schedule = refineSchedule(options, context.steps);
    this.#arena = arena;
    this.#arenaOfRows = arenaOfRows;
    this.#collect = kernels.collect;
    this.#perturb = kernels.perturb;
    this.regularizers = { opacity: options.opacityRegularizer, scale: options.scaleRegularizer };
    this.#seen = stepsSince(this.#schedule, context.from ?? 0);
    this.#statistics = this.#follow();
  }

  static async create(state: TrainingState, options: Options, context: StrategyContext): Promise<Budget> {
    const arenas = {
      arena: state.gpu.arena('train/budget'),
      arenaOfRows: state.gpu.arena('train/budget/rows'),
    };
    try {
      const collect = await ScreenStatistics.create(state.gpu);
      const perturb = await PerturbMeans.create(arenas.arena);
      return new Budget(state, options, context, arenas, { collect, perturb });
    } catch (error) {
      for (const arena of Object.values(arenas)) arena.destroy();
      throw error;
    }
  }

  recordStep(recorder: Recorder, step: number, rates: LearningRates): void {
    this.#keepUp();
    // What is done again after a void step counts once.
    while (this.#seen.length && this.#seen[this.#seen.length - 1] >= step) this.#seen.pop();
    this.#seen.push(step);
    if (step < this.#schedule.stop) this.#collect.record(recorder, this.#state.count);
    const scale = this.#options.noise * rates.means;
    if (this.refineDue(step)) this.#owed = { step, scale };
    else this.#noise(recorder, { step, scale });
  }

  refineDue(step: number): boolean {
    return refinesAt(this.#schedule, step);
  }

  async refine(step: number): Promise<void> {
    const owed = this.#owed;
    if (owed?.step !== step) throw new Error(`budget refines after step ${step}, which was not recorded`);
    this.#owed = undefined;
    const { cap, minOpacity, halfScale: narrow, halfShare: share } = this.#options;
    const minViews = this.#sightingsWanted();

    const rows = pacedCount(this.#state.count, this.#options, refinements(this.#schedule, step + 1));
    const statistics = this.#statistics;
    await splitBest(this.#state, { statistics, rows, cap, minOpacity, minViews, narrow, share });
    this.#keepUp();
    this.#seen = [];
    this.#state.gpu.run('train/budget/after', (recorder) => {
      recorder.clear(this.#statistics);
      this.#noise(recorder, owed);
    });
  }

  kept(): KeptParts {
    this.#keepUp();
    const bytes = 4 * STATISTICS_WIDTH * this.#state.count;
    return { statistics: { buffer: this.#statistics, bytes } };
  }

  destroy(): void {
    this.#arenaOfRows.destroy();
    this.#arena.destroy();
  }

  /** `minViews` in steps; 0 where the steps since the last refinement cannot have shown all views. */
  #sightingsWanted(): number {
    const { views } = this.#context;
    const steps = this.#seen.length;
    return steps < views ? 0 : (this.#options.minViews * steps) / views;
  }

  #keepUp(): void {
    if (this.#version !== this.#state.version) this.#statistics = this.#follow();
  }

  /** Binds to the state's present buffers. The statistics of those before are void; gives new ones, all zero. */
  #follow(): GPUBuffer {
    const { version, capacity, counts, screen, parameters } = this.#state;
    this.#arenaOfRows.destroy();
    const statistics = this.#arenaOfRows.buffer('statistics', 4 * STATISTICS_WIDTH * capacity);
    this.#collect.bind({ counts, screen, statistics });
    this.#perturb.bind({ counts, ...parameters });
    this.#version = version;
    return statistics;
  }

  #noise(recorder: Recorder, { step, scale }: { step: number; scale: number }): void {
    if (scale === 0) return;
    this.#perturb.record(recorder, this.#state.count, { seed: this.#context.seed, step, scale });
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
