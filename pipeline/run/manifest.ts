import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Score } from '../../stages/artefacts/scores.ts';
import type { AdapterReport, LedgerRow } from '../../wgsl/core/index.ts';
import type { Cell } from '../file/cells.ts';
import { sha256 } from '../keys/hash.ts';
import type { StageIdentity } from '../keys/identity.ts';
import type { StageOutput } from './compare.ts';
import type { GitState } from './git.ts';

/** A file that a run left for people: its path below the run's folder and the stage that wrote it. */
export interface RunFile {
  path: string;
  stage: string;
  /** Left by an earlier run; this one has not come to its stage. */
  earlier?: true;
}

/** How a run came by a stage's work; `read`: a source stage, whose work is not kept; `unused`: nothing asked for it. */
export type How = 'ran' | 'cached' | 'read' | 'unused';

/** One stage of a run. */
export interface StageRow extends StageOutput {
  id: string;
  stage: string;
  key: string;
  how: How;
  /** Of this run; for work that was found done, `madeIn` says what it took. */
  seconds: number;
  madeIn?: number;
  /** Most bytes that were alive on the GPU at once, from the start of the run to the end of this stage. */
  peakBytes: number;
  options: unknown;
  seed: number;
  identity: StageIdentity;
  /** Where the files were that the identity names by content. */
  places: unknown;
}

/** `run.json`: what ran, on what, how long, what crossed to and from the GPU, what it left, and how to repeat it. */
export interface Manifest {
  format: 1;
  status: 'running' | 'done' | 'failed' | 'stopped';
  error?: string;
  name: string;
  seed: number;
  /** Repeats the run, typed in `cwd`. */
  command: string;
  cwd: string;
  file: string;
  /** The folder of saved work, relative to the run's. */
  store: string;
  cell?: Cell;
  from?: string;
  until?: string;
  /** `packages` of the stages' code; `webgpu` among them is Dawn. */
  versions: { splatline: string; node: string; packages: Record<string, string> };
  git?: GitState;
  adapter: AdapterReport;
  seconds: number;
  stages: StageRow[];
  files: (RunFile & { bytes: number; sha256: string })[];
  scores?: readonly Score[];
  ledger: LedgerRow[];
}

export type Contents = ReadonlyMap<string, { bytes: number; sha256: string }>;

/** Adds size and sha256 to each file; one that is no longer there, as somebody took it away, is not listed. */
export async function withContents(
  files: readonly RunFile[],
  known: Contents,
  root: string,
): Promise<Manifest['files']> {
  const rows = files.map(async (file) => {
    const contents = known.get(file.path);
    if (contents && !file.earlier) return [{ ...file, ...contents }];
    const path = join(root, file.path);
    const info = await stat(path).catch(() => undefined);
    return info?.isFile() ? [{ ...file, bytes: info.size, sha256: await sha256(path) }] : [];
  });
  return (await Promise.all(rows)).flat();
}

export async function packageVersion(): Promise<string> {
  const text = await readFile(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
