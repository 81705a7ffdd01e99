/** Opens the device of a command, and filters two notices of Dawn from the output. */
import { closeSync, fstatSync, openSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { type Gpu, type OpenOptions, openGpu } from '../wgsl/core/index.ts';

/** Dawn prints these at every start if a driver's limit exceeds Dawn's maximum. No option disables them. */
const NOTICES =
  /^Warning: maxDynamic(Uniform|Storage)BuffersPerPipelineLayout artificially reduced from \d+ to \d+ .*\n/gm;

/** `openGpu` for commands. */
export async function openDevice(options: OpenOptions = {}): Promise<Gpu> {
  const filter = await stderrFilter();
  return openGpu({ ...options, request: filter });
}

/**
 * A function that calls `work` and then prints the process's output on stderr during the call, without the notices. Dawn writes
 * from native code, so the file descriptor itself points to a file during the call. Without the optional package
 * `koffi`, and on Windows, nothing is filtered.
 */
export async function stderrFilter(): Promise<<T>(work: () => T) => T> {
  const koffi = process.platform === 'win32' ? undefined : await import('koffi').catch(() => undefined);
  if (!koffi) return (work) => work();
  const libc = koffi.load(null);
  const dup: (fd: number) => number = libc.func('int dup(int)');
  const dup2: (from: number, to: number) => number = libc.func('int dup2(int, int)');
  return (work) => {
    const path = join(tmpdir(), `splatline-stderr-${process.pid}-${Date.now()}`);
    const file = openSync(path, 'wx+', 0o600);
    rmSync(path);
    const stderr = dup(2);
    dup2(file, 2);
    try {
      return work();
    } finally {
      dup2(stderr, 2);
      closeSync(stderr);
      const written = Buffer.alloc(fstatSync(file).size);
      readSync(file, written, 0, written.length, 0);
      closeSync(file);
      const rest = written.toString().replace(NOTICES, '');
      if (rest) process.stderr.write(rest);
    }
  };
}
