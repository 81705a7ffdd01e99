import { CommanderError } from 'commander';
import { Stopped } from '../stages/checkpoints.ts';
import { GpuError, InputError } from '../wgsl/core/index.ts';

/** Exit codes of the commands. */
export const EXIT = {
  ok: 0,
  /** A bug, or a result that differs from the recorded one (`Regression`). */
  fault: 1,
  input: 2,
  gpu: 3,
  interrupted: 130,
  unread: 141,
  terminated: 143,
} as const;

/** The signals that ask to stop, with the message of their `Stopped`. */
export const SIGNALS = { SIGINT: 'interrupted', SIGTERM: 'terminated' } as const;

export function exitCodeOf(error: unknown): number {
  // Help and the version exit with 0.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.input;
  if (error instanceof InputError) return EXIT.input;
  if (error instanceof Stopped) return error.message === SIGNALS.SIGTERM ? EXIT.terminated : EXIT.interrupted;
  return error instanceof GpuError ? EXIT.gpu : EXIT.fault;
}

/** A result differs from the recorded one. The command line prints the message without a stack and exits with 1. */
export class Regression extends Error {
  override readonly name = 'Regression';
}
