/** The device layer: what every kernel host, engine and stage builds on. */
export { GpuError, InputError, type Place } from './errors.ts';
export { type AdapterReport, Arena, type Data, Gpu } from './gpu.ts';
export {
  type Bindings,
  type BoundKernel,
  defineKernel,
  Kernel,
  type KernelDefinition,
  type KernelUse,
  type KernelVariant,
  type StructLayout,
} from './kernel.ts';
export { Ledger, type LedgerRow, type Purpose } from './ledger.ts';
export {
  describeMissing,
  type LimitName,
  type MissingLimit,
  missingLimits,
  NEEDED_LIMITS,
} from './limits.ts';
export { type OpenOptions, openGpu } from './open.ts';
export { Profiler, type SpanTotal } from './profiler.ts';
export { pcg4d, permutation, RANDOM, type RandomPurpose, random4, randomInt } from './random.ts';
export {
  Readback,
  type ReadbackOptions,
  type ReadbackPart,
  type ReadbackParts,
  type ReadbackSlot,
} from './readback.ts';
export { gridFor, loopingGrid, Recorder } from './recorder.ts';
export type { Constants } from './source.ts';
export { SubmissionClock } from './submission-clock.ts';
export { KERNEL_TARGETS, type KernelTarget, probeLinearSubgroups } from './target.ts';
export { bindRows, type RowWindow, rowWindows, windowUniform } from './windows.ts';
