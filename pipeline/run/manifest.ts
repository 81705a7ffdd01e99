import { readFile } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { z } from 'zod';
import { checkJson, readJson } from '../../stages/artefacts/json.ts';
import { Stopped } from '../../stages/checkpoints.ts';
import { type AdapterReport, InputError, type LedgerRow } from '../../wgsl/core/index.ts';
import type { Cell } from '../file/cells.ts';
import type { StageIdentity } from '../keys/identity.ts';
import type { Entry } from '../store/entry.ts';
import { aboutOf, type OutputAbout } from './entries.ts';
import { isResultPath, MANIFEST, type RunFolder } from './run-folder.ts';
import type { PreparedPlan } from './stage-plan.ts';

/** JSON whose members are only copied or compared. */
const object = <T extends object>() => z.custom<T>((value) => typeof value === 'object' && value !== null);

const fileContents = { path: z.string(), bytes: z.number(), sha256: z.string() };

const stageSchema = z.object({
  id: z.string(),
  stage: z.string(),
  key: z.string(),
  /** How the run resolved it. `read`: a source stage, which has no entry; `unused`: no stage that ran needed it. */
  resolvedBy: z.enum(['ran', 'cached', 'read', 'unused']),
  /** In this run; `madeIn` is the time of the run that made the entry. */
  seconds: z.number(),
  madeIn: z.number().optional(),
  /** Peak bytes on the GPU, from the start of the run that wrote the entry to the end of the stage. */
  peakBytes: z.number(),
  options: z.unknown(),
  seed: z.number(),
  outputs: z.array(z.object(fileContents)),
  parts: object<OutputAbout['parts']>(),
  identity: object<StageIdentity>(),
  /** Paths of the files that the identity names by content. */
  places: z.unknown(),
});

/** A result file in a run's folder. */
const fileSchema = z.object({
  ...fileContents,
  /** Below the run's folder. */
  path: z.string().refine(isResultPath, 'is not the path of a result'),
  /** The id of the stage that wrote it, and that stage's key; version 0.1 wrote no key. */
  stage: z.string(),
  key: z.string().default(''),
  /** An earlier run wrote it; this run has not reached its stage. */
  earlier: z.literal(true).optional(),
});

/** `run.json`: the stages, adapter, versions, timings, GPU transfers and results of a run, and the command that repeats it. */
const manifestSchema = z.object({
  format: z.literal(1),
  status: z.enum(['running', 'done', 'failed', 'stopped']),
  error: z.string().optional(),
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
  seconds: z.number(),
  // Version 0.1 wrote `how` for `resolvedBy`.
  stages: z
    .array(z.preprocess((row) => ({ resolvedBy: Object(row).how, ...Object(row) }), stageSchema))
    .min(1),
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

/**
 * Reads a run's `run.json`; `path` is that file or its folder.
 * @throws InputError if there is none, or if it is not one.
 */
export async function readManifest(
  path: string,
): Promise<{ file: string; folder: string; manifest: Manifest }> {
  const file = resolve(basename(path).endsWith('.json') ? path : join(path, MANIFEST));
  return { file, folder: dirname(file), manifest: checkJson(file, manifestSchema, await readJson(file)) };
}

interface Recorded {
  prepared: PreparedPlan;
  folder: RunFolder;
  results: { readonly files: RunFile[] };
  /** By stage id, of the stages so far. */
  outcomes: ReadonlyMap<string, Outcome>;
  options: { from?: string; until?: string; command?: string };
  warn(text: string): void;
}

/** Writes a run's `run.json`. */
export class ManifestRecorder {
  scores?: Manifest['scores'];
  readonly #run: Recorded;
  readonly #start = performance.now();
  readonly #git: Promise<Manifest['git']>;
  #begun = false;

  constructor(run: Recorded) {
    this.#run = run;
    this.#git = gitState(run.prepared.plan.file);
  }

  get seconds(): number {
    return (performance.now() - this.#start) / 1000;
  }

  /** Marks the folder as this run's before the first result appears. */
  async begin(): Promise<void> {
    if (this.#begun) return;
    this.#begun = true;
    await this.write('running');
  }

  /** Records a failure, unless it is a user's mistake that was found before anything was written. */
  async fail(error: unknown): Promise<void> {
    if (!this.#run.folder.isOpen || (!this.#begun && error instanceof InputError)) return;
    try {
      await this.write(error instanceof Stopped ? 'stopped' : 'failed', error);
    } catch (second) {
      this.#run.warn(`${MANIFEST} could not be written: ${messageOf(second)}`);
    }
  }

  async write(status: Manifest['status'], error?: unknown): Promise<void> {
    const manifest = await this.#manifest(status, error);
    await this.#run.folder.write(MANIFEST, `${JSON.stringify(manifest, null, 2)}\n`);
  }

  async #manifest(status: Manifest['status'], error: unknown): Promise<Manifest> {
    const { prepared, folder, results, options } = this.#run;
    const { plan, gpu, store } = prepared;
    const { from, until, command = `npx splatline run ${plan.file}` } = options;
    const packages = Object.assign({}, ...prepared.stages.map(({ identity }) => identity.packages));
    return {
      format: 1,
      status,
      error: error === undefined ? undefined : messageOf(error), // JSON leaves out what is undefined
      name: plan.name,
      seed: plan.seed,
      command,
      cwd: process.cwd(),
      file: plan.file,
      store: relative(folder.root, store.root),
      cell: plan.cell,
      from,
      until,
      versions: { splatline: await packageVersion(), node: process.version, packages },
      git: await this.#git,
      adapter: gpu.adapter,
      seconds: this.seconds,
      stages: this.#rows(),
      files: results.files,
      scores: this.scores,
      ledger: gpu.ledger.rows(),
    };
  }

  #rows(): StageRow[] {
    const { prepared, outcomes } = this.#run;
    return prepared.stages.map(({ id, stage, key, options, seed, identity, places }) => {
      const { entry, ...outcome } = outcomes.get(id) ?? { resolvedBy: 'unused', seconds: 0, peakBytes: 0 };
      const { parts, seconds: madeIn } = entry ? aboutOf(entry) : { parts: {} };
      const outputs = entry?.record.files ?? [];
      const planned = { id, stage: stage.name, key, options, seed, identity, places };
      return { ...planned, ...outcome, madeIn, parts, outputs };
    });
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

export async function packageVersion(): Promise<string> {
  const text = await readFile(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

/** Undefined outside a repository, before its first commit, or without git. */
async function gitState(file: string): Promise<Manifest['git']> {
  const { printed } = await import('../process.ts'); // late, so that commands that run no program do not load it
  const args = ['status', '--porcelain=v2', '--branch', '--untracked-files=no'];
  const text = (await printed('git', args, dirname(file))) ?? '';
  const commit = /^# branch\.oid ([0-9a-f]+)$/m.exec(text)?.[1];
  return commit === undefined ? undefined : { commit, dirty: /^[^#\n]/m.test(text) };
}
