import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { arch, availableParallelism, cpus, release, totalmem, type } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import * as z from 'zod';
import { checkJson, readJson } from '../../stages/artefacts/json.ts';
import type { AdapterReport, LedgerRow } from '../../wgsl/core/index.ts';
import type { Cell } from '../file/cells.ts';
import { isMap } from '../file/describe.ts';
import type { StageIdentity } from '../keys/identity.ts';
import { type Entry, isBelow, isKey } from '../store/entry.ts';
import type { OutputAbout } from './entries.ts';
import { isResultPath, MANIFEST } from './run-folder.ts';

/** JSON whose members are only copied or compared. */
const object = <T extends object>() => z.custom<T>((value) => typeof value === 'object' && value !== null);

const fileContents = { path: z.string(), bytes: z.number(), sha256: z.string() };

/** The id of a stage, which names its folder. */
export const stageId = z.string().refine(isBelow, 'is no name of a folder');

const key = z.string().refine(isKey, 'expected 64 hex digits');

/** The stage that produced each input, and that stage's key. */
const inputs = z.record(z.string(), z.object({ stage: z.string(), key: z.string() }));

const stageSchema = z.object({
  id: stageId,
  stage: z.string(),
  key,
  /** How the run resolved it. `read`: a source stage, which has no entry; `unused`: no stage that ran needed it. */
  resolvedBy: z.enum(['ran', 'cached', 'read', 'unused']),
  /** Why it ran or did not, in words. */
  why: z.string().optional(),
  /** In this run; `madeIn` is the time of the run that made the entry. */
  seconds: z.number(),
  madeIn: z.number().optional(),
  /** Peak bytes on the GPU, from the start of the run that wrote the entry to the end of the stage. */
  peakBytes: z.number(),
  options: z.unknown().refine((value): boolean => isMap(value), 'expected a map of options'),
  seed: z.number(),
  outputs: z.array(z.object(fileContents)),
  parts: object<OutputAbout['parts']>(),
  identity: object<StageIdentity>().refine((value) => inputs.safeParse(value.inputs).success, {
    path: ['inputs'],
    message: 'expected the stage and the key of each input',
  }),
  /** Paths of the files that the identity names by content. */
  places: z.unknown(),
});

/** A result file in a run's folder. */
const fileSchema = z.object({
  ...fileContents,
  /** Below the run's folder. */
  path: z.string().refine(isResultPath, 'is not the path of a result'),
  /** The id of the stage that wrote it, and that stage's key. */
  stage: z.string(),
  key,
  /** An earlier run wrote it; this run has not reached its stage. */
  earlier: z.literal(true).optional(),
});

/** `run.json`: the stages, adapter, versions, timings, GPU transfers and results of a run, and the command that repeats it. */
const manifestSchema = z.object({
  format: z.literal(1),
  status: z.enum(['running', 'done', 'failed', 'stopped']),
  error: z.string().optional(),
  /** The id of the stage in which the run failed or was stopped. */
  endedIn: z.string().optional(),
  name: z.string(),
  seed: z.number(),
  /** Repeats the run, typed in `cwd`. */
  command: z.string(),
  cwd: z.string(),
  file: z.string(),
  /** The store, relative to the run's folder. */
  store: z.string(),
  cell: object<Cell>().optional(),
  from: z.string().optional(),
  until: z.string().optional(),
  /** `packages` of the stages' code; `webgpu` among them is Dawn. */
  versions: z.object({
    splatline: z.string(),
    node: z.string(),
    packages: z.record(z.string(), z.string()),
  }),
  /** The working tree of the pipeline file; `dirty` if tracked files differ from the commit. */
  git: z.object({ commit: z.string(), dirty: z.boolean() }).optional(),
  adapter: object<AdapterReport>(),
  /** The computer around the adapter. */
  machine: z
    .object({ system: z.string(), cpu: z.string(), cores: z.number(), memoryBytes: z.number() })
    .optional(),
  seconds: z.number(),
  stages: z.array(stageSchema).min(1),
  files: z.array(fileSchema),
  scores: z
    .array(z.object({ name: z.string(), value: z.number(), unit: z.string(), over: z.string() }))
    .optional(),
  ledger: z.array(object<LedgerRow>()),
});

export type Manifest = z.output<typeof manifestSchema>;
export type StageRow = Manifest['stages'][number];
export type RunFile = Manifest['files'][number];

/** The outcome of a stage in a run. */
export interface Outcome extends Pick<StageRow, 'resolvedBy' | 'seconds' | 'peakBytes'> {
  /** None of a source stage. */
  entry?: Entry;
}

/** Reads a run's `run.json`; `path` is that file or its folder. @throws InputError if there is no valid one. */
export async function readManifest(
  path: string,
): Promise<{ file: string; folder: string; manifest: Manifest }> {
  const file = resolve(basename(path).endsWith('.json') ? path : join(path, MANIFEST));
  return { file, folder: dirname(file), manifest: checkJson(file, manifestSchema, await readJson(file)) };
}

export async function packageVersion(): Promise<string> {
  const text = await readFile(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

/** The machine of this process. */
export function thisMachine(): NonNullable<Manifest['machine']> {
  return {
    system: `${type()} ${release()}, ${arch()}`,
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryBytes: totalmem(),
  };
}

/** The working tree of a pipeline file. Undefined outside a repository, before its first commit, or without git. */
export async function gitState(file: string): Promise<Manifest['git']> {
  const args = ['status', '--porcelain=v2', '--branch', '--untracked-files=no'];
  let cwd = dirname(file);
  while (!existsSync(cwd)) cwd = dirname(cwd);
  const options = { cwd, maxBuffer: Number.POSITIVE_INFINITY };
  const status = await promisify(execFile)('git', args, options).catch(() => undefined);
  const commit = /^# branch\.oid ([0-9a-f]+)$/m.exec(status?.stdout ?? '')?.[1];
  return commit === undefined ? undefined : { commit, dirty: /^[^#\n]/m.test(status!.stdout) };
}
