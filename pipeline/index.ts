/** The public API: the device, the runner, and the types that stages share. */

export { type Camera, lookAt } from '../stages/artefacts/camera.ts';
export type { Dataset, View } from '../stages/artefacts/dataset.ts';
export { artefactFormats } from '../stages/artefacts/formats.ts';
export type { Frames } from '../stages/artefacts/frames.ts';
export type { Gaussians } from '../stages/artefacts/gaussians.ts';
export type { Score, Scores } from '../stages/artefacts/scores.ts';
export { stages } from '../stages/index.ts';
export {
  type Artefacts,
  defineStage,
  type OutputFolder,
  type Report,
  type Stage,
  silent,
} from '../stages/stage.ts';
export {
  type Gpu,
  GpuError,
  InputError,
  type LedgerRow,
  type OpenOptions,
  openGpu,
} from '../wgsl/core/index.ts';
export type { Plan, PlannedStage } from './file/plan.ts';
export { type ReadOptions, readPipeline } from './file/read.ts';
export type { RunEvent } from './run/events.ts';
export { type RunOptions, type RunResult, runPlan } from './run/runner.ts';
export { unexpectedTransfers } from './run/transfers.ts';
