import { readFileSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { AdapterReport } from '../../wgsl/core/index.ts';
import { $ } from '../helpers/shell.ts';
import type { Effort } from './measure.ts';
import type { Row } from './row.ts';

/** In 1, `gpuMs` was the sum of the kernels' times. */
const FORMAT = 2;

/** What `--json` writes. */
export interface Result {
  format: typeof FORMAT;
  date: string;
  adapter: AdapterReport;
  /** Null where there is no git, and `--commit` does not say it. */
  commit: string | null;
  /** Whether files differ from the commit; null where there is no git. */
  dirty: boolean | null;
  versions: Record<string, string>;
  effort: Effort;
  /** Bytes a second, read and written together. */
  copyBandwidth: number;
  rows: Row[];
}

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** The commit of these sources, and whether they differ from it. */
export async function gitState(): Promise<Pick<Result, 'commit' | 'dirty'>> {
  const git = async (...args: string[]) => {
    const { exitCode, stdout } = await $({ cwd: ROOT, nothrow: true })`git ${args}`;
    return exitCode === 0 ? stdout.trim() : null;
  };
  // A copy inside another checkout is not that checkout's commit.
  const top = await git('rev-parse', '--show-toplevel');
  const own = top !== null && (await realpath(top)) === (await realpath(ROOT));
  const commit = own ? await git('rev-parse', 'HEAD') : null;
  const status = commit === null ? null : await git('status', '--porcelain');
  return { commit, dirty: status === null ? null : status !== '' };
}

/** Of what the figures depend on. */
export function versions(): Record<string, string> {
  const version = (path: string) =>
    JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8')).version as string;
  return {
    node: process.version,
    splatline: version('../../package.json'),
    webgpu: version('../../node_modules/webgpu/package.json'),
  };
}

/** A result from a file. */
export function readResult(path: string): Result {
  const result = JSON.parse(readFileSync(path, 'utf8')) as Result;
  if (result.format !== FORMAT || !Array.isArray(result.rows)) {
    throw new Error(`${path} is no result of npm run bench of format ${FORMAT}; measure again`);
  }
  return result;
}
