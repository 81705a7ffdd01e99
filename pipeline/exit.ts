import { CommanderError } from 'commander';
import { Stopped } from '../stages/checkpoints.ts';
import { GpuError, InputError } from '../wgsl/core/index.ts';

/** What a command of ours ends with. */
export const EXIT = {
  ok: 0,
  /** A fault of ours, or a result that is not as it was recorded (`Regression`). */
  fault: 1,
  input: 2,
  gpu: 3,
  interrupted: 130,
  unread: 141,
  terminated: 143,
} as const;

/** What `Stopped` says where SIGTERM asked for it. */
export const TERMINATED = 'terminated';

export function exitCodeOf(error: unknown): number {
  // Asking for help or the version is no mistake.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.input;
  if (error instanceof InputError) return EXIT.input;
  if (error instanceof Stopped) return error.message === TERMINATED ? EXIT.terminated : EXIT.interrupted;
  return error instanceof GpuError ? EXIT.gpu : EXIT.fault;
}
