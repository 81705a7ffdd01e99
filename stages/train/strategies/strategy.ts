import type * as z from 'zod';
import type { Recorder } from '../../../wgsl/core/index.ts';
import type { Anneal } from '../../optimizer/anneal.ts';
import type { CheckpointTensors } from '../../optimizer/checkpoint-tensors.ts';
import type { ParameterName } from '../../optimizer/parameters.ts';
import type { TrainingState } from '../../optimizer/state.ts';

/** A densification strategy: adds, removes and perturbs Gaussians during training. */
export interface Strategy {
  /** Start values of the initial Gaussians: opacity, and a factor on the scales. Applied once. */
  readonly start: { readonly opacity: number; readonly scale: number };
  /** Weights of two terms of the loss: `opacity` · mean(sigmoid(opacityLogits)) and `scale` · mean(exp(logScales)). */
  readonly regularizers: { readonly opacity: number; readonly scale: number };
  /**
   * Called every step, to record work after Adam in the step's recorder. Steps count from 0. Uploads the parameters of the
   * step when called, so there is one step per submission.
   */
  recordStep(recorder: Recorder, step: number, rates: LearningRates): void;
  /** Whether `refine` has work after this step. */
  refineDue(step: number): boolean;
  /**
   * Called after a step for which it is due, once that step is known to be valid. May change `state.count` and replace
   * buffers (`state.version`). Reads back at most a few bytes.
   */
  refine(step: number): Promise<void>;
  /**
   * The strategy's own buffers that outlive a step. Checkpoints save them between two steps, and restore them before the
   * first step of a resumed training.
   */
  checkpointTensors(): CheckpointTensors;
  /** Frees the strategy's buffers, not the state. */
  destroy(): void;
}

/** The learning rates that strategies use. */
export interface LearningRates {
  /** Learning rate of the means, world units. */
  readonly means: number;
}

export interface StrategyContext {
  seed: number;
  /** Steps of the whole training. */
  steps: number;
  /** Scene extent, world units: see `Dataset`. */
  extent: number;
  /** Number of training views. */
  views: number;
  /** The first step; 0 unless training resumes from a checkpoint. */
  from?: number;
}

/** A strategy's defaults for options of train. */
export interface Recipe {
  /** Adam's learning rates; that of the means per unit of scene extent. */
  readonly rates: Readonly<Record<ParameterName, number>>;
  /** Exponential decay of all learning rates except that of the means, from a fraction of the steps on, to a factor. */
  readonly anneal?: Anneal;
  /** Fraction of Gaussians that each step drops (see `ViewOptions`). */
  readonly dropout: number;
  /** Steps between increments of the SH degree; 0: all bands from the start. Default: proportional to the steps. */
  readonly shInterval?: number;
}

/** A row of the registry. */
export interface StrategyKind<Shape extends z.ZodRawShape> {
  summary: string;
  /** Default of the maximum number of Gaussians; undefined: unbounded. */
  cap?: number;
  recipe: Recipe;
  /** The strategy's own options, a strict object. */
  options: z.ZodObject<Shape, z.core.$strict>;
  /** Upper bound on the final number of Gaussians of a run that has `count` before step `from`, if known. */
  finalCount?(count: number, options: StrategySettings<Shape>, steps: number, from: number): number;
  create(state: TrainingState, options: StrategySettings<Shape>, context: StrategyContext): Promise<Strategy>;
}

/** A strategy's options, and its maximum number of Gaussians. */
export type StrategySettings<Shape extends z.ZodRawShape> = z.output<z.ZodObject<Shape, z.core.$strict>> & {
  cap: number;
};

/** Infers the option type of a strategy. */
export function defineStrategy<Shape extends z.ZodRawShape>(kind: StrategyKind<Shape>): StrategyKind<Shape> {
  return kind;
}
