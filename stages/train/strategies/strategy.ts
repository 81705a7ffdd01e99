import type { z } from 'zod';
import type { Recorder } from '../../../wgsl/core/index.ts';
import type { CheckpointTensors } from '../../optimizer/checkpoint-tensors.ts';
import type { ParameterName } from '../../optimizer/parameters.ts';
import type { TrainingState } from '../../optimizer/state.ts';

/** How a strategy lets Gaussians come, go and move while they are trained. */
export interface Strategy {
  /** What the initial Gaussians start with: their opacity, and a factor on their scales. The loop applies it once. */
  readonly start: { readonly opacity: number; readonly scale: number };
  /** Weights of two terms of the loss: `opacity` · mean(sigmoid(opacityLogits)) and `scale` · mean(exp(logScales)). */
  readonly regularizers: { readonly opacity: number; readonly scale: number };
  /**
   * Every step, behind Adam, in the step's recorder. Steps count from 0. One step per submission: numbers of the step go
   * to the GPU when this is called.
   */
  recordStep(recorder: Recorder, step: number, rates: LearningRates): void;
  /** Whether `refine` has work after this step. */
  refineDue(step: number): boolean;
  /**
   * After a step for which it is due, when that step was submitted and was not void. May change `state.count`, and
   * replace buffers (`state.version`). Reads back at most a few bytes.
   */
  refine(step: number): Promise<void>;
  /**
   * What of its own lasts from one step to the next, as it is between two steps, bound to the state as it is: checkpoints
   * save it, and fill it again before the first step of a training that goes on.
   */
  checkpointTensors(): CheckpointTensors;
  /** Frees what the strategy owns; the state stays. */
  destroy(): void;
}

/** What strategies need of the step's learning rates. */
export interface LearningRates {
  /** Of the means, world units. */
  readonly means: number;
}

export interface StrategyContext {
  seed: number;
  /** Of the whole training. */
  steps: number;
  /** Scene extent, world units: see `Dataset`. */
  extent: number;
  /** Views that training takes in turn. */
  views: number;
  /** The step that training begins with; 0 unless it goes on from a checkpoint. */
  from?: number;
}

/** How a training with a strategy learns, where the options do not say otherwise. */
export interface Recipe {
  /** Adam's learning rates; that of the means per unit of scene extent. */
  readonly rates: Readonly<Record<ParameterName, number>>;
  /** From a part of the steps on, all rates but the means' fall to `to` of themselves, by the same factor each step. */
  readonly anneal?: { readonly from: number; readonly to: number };
  /** Part of the Gaussians that a step leaves out (see `ViewOptions`). */
  readonly dropout: number;
  /** Steps between SH degrees; 0: all bands from the start. In proportion to the steps unless given. */
  readonly shInterval?: number;
}

/** A row of the registry. */
export interface StrategyKind<Shape extends z.ZodRawShape> {
  summary: string;
  /** Number of Gaussians up to which it adds, unless the options say; undefined: it has no such bound. */
  cap?: number;
  recipe: Recipe;
  /** The strategy's own options, a strict object; `.shape` lets a stage lay them among its own. */
  options: z.ZodObject<Shape, z.core.$strict>;
  /** How many Gaussians a run of `steps` ends with at most that has `count` before step `from`, where that is known. */
  finalCount?(count: number, options: StrategySettings<Shape>, steps: number, from: number): number;
  create(state: TrainingState, options: StrategySettings<Shape>, context: StrategyContext): Promise<Strategy>;
}

/** A strategy's options, and the bound on its Gaussians. */
export type StrategySettings<Shape extends z.ZodRawShape> = z.output<z.ZodObject<Shape, z.core.$strict>> & {
  cap: number;
};

/** Keeps the option type of each row. */
export function defineStrategy<Shape extends z.ZodRawShape>(kind: StrategyKind<Shape>): StrategyKind<Shape> {
  return kind;
}
