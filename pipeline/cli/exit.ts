import { CommanderError } from 'commander';
import { GpuError, InputError } from '../../wgsl/core/index.ts';

/** What a command of ours ends with. */
export const EXIT = {
  ok: 0,
  fault: 1,
  input: 2,
  gpu: 3,
  interrupted: 130,
  unread: 141,
  terminated: 143,
} as const;

export function exitCodeOf(error: unknown): number {
  // Asking for help or the version is no mistake.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.input;
  if (error instanceof InputError) return EXIT.input;
  return error instanceof GpuError ? EXIT.gpu : EXIT.fault;
}
