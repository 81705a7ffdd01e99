import * as z from 'zod';
import { InputError, type Recorder } from '../../../wgsl/core/index.ts';
import type { GrowthRules } from '../../../wgsl/splat/densify/plan-growth.ts';
import { ResetOpacity } from '../../../wgsl/splat/densify/reset-opacity.ts';
import type { CheckpointTensors } from '../../optimizer/checkpoint-tensors.ts';
import type { TrainingState } from '../../optimizer/state.ts';
import { growAndPrune } from './grow.ts';
import {
  PUBLISHED,
  PUBLISHED_STEPS,
  type RefineSchedule,
  refineOptions,
  refineSchedule,
  refinesAt,
} from './schedule.ts';
import { RefinementStatistics } from './statistics.ts';
import { defineStrategy, type Strategy, type StrategyContext } from './strategy.ts';

const options = z.strictObject({
  growGradient: z
    .number()
    .positive()
    .default(2e-4)
    .describe(
      'Mean screen-space gradient (normalised to [−1, 1]) above which a Gaussian is duplicated or split',
    ),
  growScale: z
    .number()
    .positive()
    .default(0.01)
    .describe(
      'Largest scale, as a fraction of the scene extent, up to which a Gaussian is duplicated; above it is split',
    ),
  growRadius: z
    .number()
    .positive()
    .default(0.05)
    .describe(
      'Screen radius, as a fraction of the longer image side, above which a Gaussian is split (see radiusUntil)',
    ),
  pruneOpacity: z.number().gt(0).lt(0.5).default(0.005).describe('Gaussians below this opacity are pruned'),
  pruneScale: z
    .number()
    .positive()
    .default(0.1)
    .describe(
      'Largest scale, as a fraction of the scene extent, above which a Gaussian is pruned; applies after resetEvery (or 3000) steps',
    ),
  pruneRadius: z
    .number()
    .positive()
    .default(0.15)
    .describe(
      'Screen radius, as a fraction of the longer image side, above which a Gaussian is pruned (see radiusUntil)',
    ),
  radiusUntil: z
    .number()
    .min(0)
    .max(1)
    .default(0)
    .describe(
      'Fraction of the steps during which growRadius and pruneRadius apply; 0 disables them, as 3DGS does in effect',
    ),
  ...refineOptions(0.5),
  resetEvery: z
    .number()
    .int()
    .min(1)
    .optional()
    .describe(
      'Steps between opacity resets. Default: 3000; in runs shorter than 30,000 steps proportionally fewer, at least 300',
    ),
  pauseAfterReset: z
    .number()
    .int()
    .min(0)
    .default(0)
    .describe('Steps without densification after an opacity reset'),
  revisedOpacity: z
    .boolean()
    .default(false)
    .describe('Gives the halves of a split the opacity 1 − √(1 − o) (arXiv:2404.06109) instead of o'),
});
export type DefaultOptions = z.output<typeof options>;

/** The shortest interval between resets: opacities need a few hundred steps to recover. */
const MIN_RESET_EVERY = 300;
const PUBLISHED_RESET_EVERY = 3000;

/** Default interval between opacity resets in a run of `steps`. */
export function resetInterval(steps: number): number {
  const inProportion = Math.round((PUBLISHED_RESET_EVERY * steps) / PUBLISHED_STEPS);
  return Math.min(PUBLISHED_RESET_EVERY, Math.max(MIN_RESET_EVERY, inProportion));
}

/**
 * Adaptive density control of 3DGS (Kerbl et al., "3D Gaussian Splatting for Real-Time Radiance Field Rendering", 2023), as in
 * gsplat's DefaultStrategy: duplicates small and splits large Gaussians with a high mean screen gradient, prunes transparent
 * and huge ones, and resets all opacities periodically.
 */
class Default implements Strategy {
  readonly start = { opacity: 0.1, scale: 1 };
  readonly regularizers = { opacity: 0, scale: 0 };
  readonly #state: TrainingState;
  readonly #options: DefaultOptions;
  readonly #context: StrategyContext;
  readonly #schedule: RefineSchedule;
  readonly #resetEvery: number;
  readonly #statistics: RefinementStatistics;

  constructor(
    state: TrainingState,
    options: DefaultOptions,
    context: StrategyContext,
    statistics: RefinementStatistics,
  ) {
    this.#state = state;
    this.#options = options;
    this.#context = context;
    this.#schedule = refineSchedule(options, context.steps);
    this.#resetEvery = options.resetEvery ?? resetInterval(context.steps);
    this.#statistics = statistics;
  }

  recordStep(recorder: Recorder, step: number): void {
    if (step >= this.#schedule.stop) return;
    this.#statistics.record(recorder);
  }

  refineDue(step: number): boolean {
    return this.#grows(step) || this.#resets(step);
  }

  async refine(step: number): Promise<void> {
    if (this.#grows(step)) {
      const { buffer: statistics } = this.#statistics;
      const { seed } = this.#context;
      await growAndPrune(this.#state, { rules: this.#rules(step), statistics, seed, step });
      this.#statistics.reset();
    }
    if (this.#resets(step)) await this.#reset();
  }

  checkpointTensors(): CheckpointTensors {
    return this.#statistics.checkpointTensors();
  }

  destroy(): void {
    this.#statistics.destroy();
  }

  #grows(step: number): boolean {
    return refinesAt(this.#schedule, step) && step % this.#resetEvery >= this.#options.pauseAfterReset;
  }

  #resets(step: number): boolean {
    return step > 0 && step < this.#schedule.stop && step % this.#resetEvery === 0;
  }

  #rules(step: number): GrowthRules {
    const { extent, steps } = this.#context;
    const o = this.#options;
    const radii = step < o.radiusUntil * steps;
    // Not proportional to shorter runs: Gaussians that are still huge are superfluous only after several rounds of splits.
    const big = step > (o.resetEvery ?? PUBLISHED_RESET_EVERY);
    return {
      growGradient: o.growGradient,
      smallScale: o.growScale * extent,
      splitRadius: radii ? o.growRadius : Number.POSITIVE_INFINITY,
      pruneOpacity: o.pruneOpacity,
      pruneScale: big ? o.pruneScale * extent : Number.POSITIVE_INFINITY,
      pruneRadius: big && radii ? o.pruneRadius : Number.POSITIVE_INFINITY,
      revisedOpacity: o.revisedOpacity,
    };
  }

  async #reset(): Promise<void> {
    const { gpu, count, parameters, moments } = this.#state;
    const arena = gpu.arena('train/default/reset');
    try {
      const opacity = 2 * this.#options.pruneOpacity;
      const { opacityLogits } = parameters;
      const reset = await ResetOpacity.create(arena, count, opacity, {
        opacityLogits,
        ...moments.opacityLogits,
      });
      gpu.run('train/default/reset', (recorder) => reset.record(recorder));
    } finally {
      arena.destroy();
    }
  }
}

export const defaultStrategy = defineStrategy({
  summary: 'adaptive density control of 3DGS; duplicates, splits and prunes by screen-space gradients',
  options,
  recipe: PUBLISHED,
  async create(state, options, context) {
    if (!(context.extent > 0)) {
      throw new InputError(
        `the strategy default needs a scene extent above 0, got ${context.extent}: at least two cameras must be at different positions`,
      );
    }
    return new Default(state, options, context, await RefinementStatistics.create(state));
  },
});
