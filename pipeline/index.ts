/**
 * The public API: a device, the stages as plain functions from GPU buffers to GPU buffers, and the runner of pipeline
 * files. `scenes/script.ts` is an example.
 */
export { type Camera, lookAt } from '../stages/artefacts/camera.ts';
export { type Dataset, releaseDataset, type View } from '../stages/artefacts/dataset.ts';
export type { Exposures } from '../stages/artefacts/exposures.ts';
export { type Frames, releaseFrames } from '../stages/artefacts/frames.ts';
export { type Gaussians, releaseGaussians } from '../stages/artefacts/gaussians.ts';
export { loadGaussians, saveGaussians } from '../stages/artefacts/gaussians-file.ts';
export { exportPly } from '../stages/artefacts/gaussians-ply.ts';
export type { Poses } from '../stages/artefacts/poses.ts';
export { formatScores, type Score, type Scores } from '../stages/artefacts/scores.ts';
export { type BlendInput as BlendOptions, blend } from '../stages/blend/stage.ts';
export { type CheckpointStore, type SavedCheckpoint, Stopped } from '../stages/checkpoints.ts';
export { type ExportInput as ExportOptions, exportSplat } from '../stages/export/stage.ts';
export { stages } from '../stages/index.ts';
export { type InitInput as InitOptions, init } from '../stages/init/stage.ts';
export { type LoadInput as LoadOptions, load } from '../stages/load/stage.ts';
export { type OrbitInput as OrbitOptions, orbit } from '../stages/orbit/stage.ts';
export { type ScoreInput as ScoreOptions, score } from '../stages/score/stage.ts';
export { type SfmInput as SfmOptions, sfm } from '../stages/sfm/stage.ts';
export {
  type Artefacts,
  defineStage,
  type OutputFolder,
  type Report,
  type Stage,
  type StageSettings,
  silent,
} from '../stages/stage.ts';
export { type StylizeInput as StylizeOptions, stylize } from '../stages/stylize/stage.ts';
export type { TrainInput as TrainOptions } from '../stages/train/options.ts';
export {
  type JointSplats,
  type TrainedScene,
  train,
  trainJointly,
  trainScene,
} from '../stages/train/stage.ts';
export {
  type Gpu,
  GpuError,
  InputError,
  type LedgerRow,
  type OpenOptions,
} from '../wgsl/core/index.ts';
export type { Plan, PlannedStage } from './file/plan.ts';
export { type MatrixPlan, type ReadOptions, readMatrix, readPipeline } from './file/read.ts';
export type { MatrixEvent } from './matrix/record.ts';
export { type MatrixOptions, runMatrix } from './matrix/run.ts';
export { openDevice as openGpu } from './open-device.ts';
export type { RunEvent, RunResult } from './run/events.ts';
export type { Manifest } from './run/manifest.ts';
export { repeatRun } from './run/repeat.ts';
export { type RunOptions, runPlan } from './run/runner.ts';
export { planRun, type StagePlan } from './run/stage-plan.ts';
export { type Verification, verifyRun } from './run/verify.ts';
export { type Collected, collect } from './store/gc.ts';
export { Store } from './store/store.ts';
