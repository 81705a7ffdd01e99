import { type ChildProcess, execFile, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { type Shell, $ as zx } from 'zx/core'; // without the helpers for scripts, which take longer to load

/**
 * Starts every program that this package starts (set-up excepted, which runs before there are packages). Quiet, without
 * input; a failure throws zx's ProcessOutput with the command's own words. Arguments are quoted by zx.
 */
export const $: Shell = zx({ quiet: true, stdio: ['ignore', 'pipe', 'pipe'] });

/**
 * The output of a program; undefined if it is missing or fails. For programs of every run: without a shell, and
 * without zx's stack trace of each caller, which would load the source map.
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
 * Starts a program without a shell. It leads its own session, so that Ctrl-C on the terminal does not reach it.
 */
export function startDetached(
  [program, ...args]: readonly string[],
  options: { cwd: string; env: NodeJS.ProcessEnv },
): Started {
  const isDetached = process.platform !== 'win32'; // Windows opens a window for one
  return spawn(program, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'], detached: isDetached });
}
