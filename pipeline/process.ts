import { type ChildProcess, execFile, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { type Shell, $ as zx } from 'zx/core'; // without the helpers for scripts, which take longer to load

/**
 * Starts every program that this package starts (set-up excepted, which runs before there are packages). Quiet, without
 * input; a failure throws zx's ProcessOutput with the command's own words. Arguments are quoted by zx.
 */
export const $: Shell = zx({ quiet: true, stdio: ['ignore', 'pipe', 'pipe'] });

/**
 * What a program prints; undefined where it is missing or fails. For what every run asks on its way: without a shell, and
 * without the stack trace that zx takes of each caller, which has the source map read.
 */
export function printed(program: string, args: readonly string[], cwd: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile(program, args, { cwd, maxBuffer: Number.POSITIVE_INFINITY }, (error, stdout) =>
      resolve(error ? undefined : stdout),
    );
  });
}

/** A process that runs, with its output. */
export type Started = ChildProcess & { stdout: Readable; stderr: Readable };

/**
 * Starts a program without a shell. It leads a session of its own, so that Ctrl-C on the terminal does not reach it.
 */
export function startDetached(
  [program, ...args]: readonly string[],
  options: { cwd: string; env: NodeJS.ProcessEnv },
): Started {
  const isDetached = process.platform !== 'win32'; // Windows opens a window for one
  return spawn(program, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'], detached: isDetached });
}
