import type { z } from 'zod';
import type { Recorder } from '../../../wgsl/core/index.ts';
import type { KeptParts } from '../../optimizer/kept.ts';
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
  kept(): KeptParts;
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
  /** The step that training begins with; 0 unless it goes on from a checkpoint. */
  from?: number;
}

/** A row of the registry. */
export interface StrategyKind<Shape extends z.ZodRawShape> {
  summary: string;
  /** The strategy's own options, a strict object; `.shape` lets a stage lay them among its own. */
  options: z.ZodObject<Shape, z.core.$strict>;
  create(
    state: TrainingState,
    options: z.output<z.ZodObject<Shape, z.core.$strict>>,
    context: StrategyContext,
  ): Promise<Strategy>;
}

/** Keeps the option type of each row. */
export function defineStrategy<Shape extends z.ZodRawShape>(kind: StrategyKind<Shape>): StrategyKind<Shape> {
  return kind;
}
