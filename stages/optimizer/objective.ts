import type { Arena, Gpu, Recorder } from '../../wgsl/core/index.ts';
import type { View } from '../artefacts/dataset.ts';

/** The picture that a step renders and the gradient that goes back from it; buffers of the largest view's size. */
export interface Picture {
  width: number;
  height: number;
  /** f32 [H,W,4]: rgb unclamped, alpha. Rows are the view's own width apart. */
  color: GPUBuffer;
  /** f32 [H,W,4]: dL/drgb, dL/dalpha; zero before the first objective. */
  gradient: GPUBuffer;
}

/** One term of the loss. It adds its gradient to the picture's. */
export interface Objective {
  /** It writes the whole gradient instead of adding; only the first of a list may. */
  readonly overwrites?: boolean;
  /** Numbers of the coming step go to the GPU; then `record` records the work on the view. */
  prepare(step: number, view: View): void;
  record(recorder: Recorder, view: View): void;
  /** f32 words for the progress line, and how to read them. */
  readonly metrics: { buffer: GPUBuffer; words: number; read(words: Float32Array): Record<string, number> };
}

/** Makes an objective for a picture; called again when the picture's buffers are replaced. */
export type ObjectiveFactory = (gpu: Gpu, arena: Arena, picture: Picture) => Promise<Objective>;
