import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { AdapterReport, LedgerRow } from '../../wgsl/core/index.ts';
import type { Plan } from '../file/plan.ts';
import { type StageIdentity, sha256 } from './lineage.ts';

/** A file that a run left for people: its path below the run's folder and the stage that wrote it. */
export interface RunFile {
  path: string;
  stage: string;
  /** Left by an earlier run; this one has not come to its stage. */
  earlier?: true;
}

export interface StageTiming {
  id: string;
  seconds: number;
  /** Most bytes that were alive on the GPU at once, from the start of the run to the end of this stage. */
  peakBytes: number;
}

interface ManifestInput {
  status: 'running' | 'done' | 'failed';
  error?: unknown;
  plan: Plan;
  /** The stages up to the last that runs. */
  lineage: StageIdentity[];
  adapter: AdapterReport;
  from?: string;
  until?: string;
  seconds: number;
  stages: StageTiming[];
  files: readonly RunFile[];
  root: string;
  ledger: LedgerRow[];
}

/** The run's provenance, `run.json`: what ran, on what, how long, what crossed to and from the GPU, and what it left. */
export async function manifestOf(input: ManifestInput) {
  const { plan, lineage, error, files, root, ...rest } = input;
  return {
    ...rest,
    ...(error === undefined ? {} : { error: error instanceof Error ? error.message : String(error) }),
    versions: { splatline: await packageVersion(), node: process.version },
    name: plan.name,
    seed: plan.seed,
    pipeline: lineage,
    files: (await Promise.all(files.map((file) => withContents(file, root)))).flat(),
  };
}

/** A file that is no longer there, as somebody took it away, is not listed. */
async function withContents(file: RunFile, root: string) {
  const path = join(root, file.path);
  const info = await stat(path).catch(() => undefined);
  return info?.isFile() ? [{ ...file, bytes: info.size, sha256: await sha256(path) }] : [];
}

export async function packageVersion(): Promise<string> {
  const text = await readFile(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
