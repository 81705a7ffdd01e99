import { readFile } from 'node:fs/promises';
import { dirname, relative } from 'node:path';
import type { Score } from '../../stages/artefacts/scores.ts';
import type { AdapterReport, Gpu, LedgerRow } from '../../wgsl/core/index.ts';
import type { Cell } from '../file/cells.ts';
import type { Plan } from '../file/plan.ts';
import type { KeyedStage, StageIdentity } from '../keys/identity.ts';
import type { Entry } from '../store/entry.ts';
import { aboutOf, type StageOutput } from './entries.ts';
import type { RunFile } from './materialize.ts';
import type { Range } from './stage-plan.ts';

/** How a run resolved a stage. `read`: a source stage, which has no entry; `unused`: no stage that ran needed it. */
export type ResolvedBy = 'ran' | 'cached' | 'read' | 'unused';

/** One stage of a run. */
export interface StageRow extends StageOutput {
  id: string;
  stage: string;
  key: string;
  /** `how` in files of version 0.1. */
  resolvedBy: ResolvedBy;
  /** In this run; `madeIn` is the time of the run that made the entry. */
  seconds: number;
  madeIn?: number;
  /** Most bytes that were alive on the GPU at once, from the start of the run to the end of this stage. */
  peakBytes: number;
  options: unknown;
  seed: number;
  identity: StageIdentity;
  /** Paths of the files that the identity names by content. */
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
  /** The store, relative to the run's folder. */
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
  files: RunFile[];
  scores?: readonly Score[];
  ledger: LedgerRow[];
}

/** The working tree that a pipeline file is in. */
export interface GitState {
  commit: string;
  /** Whether tracked files differ from the commit. */
  dirty: boolean;
}

interface Recorded {
  plan: Plan;
  stages: readonly KeyedStage[];
  gpu: Gpu;
  folder: { root: string };
  store: { root: string };
  options: Range & { command?: string };
}

/** Collects what a run has done so far, for its run.json. */
export class ManifestRecorder {
  readonly #run: Recorded;
  readonly #start = performance.now();
  readonly #rows: Map<string, StageRow>;
  readonly #git: Promise<GitState | undefined>;

  constructor(run: Recorded) {
    this.#run = run;
    this.#git = gitState(run.plan.file);
    this.#rows = new Map(
      run.stages.map(({ id, stage, key, options, seed, identity, places }) => {
        const row = { id, stage: stage.name, key, resolvedBy: 'unused', seconds: 0, peakBytes: 0 } as const;
        return [id, { ...row, options, seed, outputs: [], parts: {}, identity, places }];
      }),
    );
  }

  get seconds(): number {
    return (performance.now() - this.#start) / 1000;
  }

  /** Ids of the stages that ran. */
  get ran(): string[] {
    return [...this.#rows.values()].filter(({ resolvedBy }) => resolvedBy === 'ran').map(({ id }) => id);
  }

  resolved(id: string, resolvedBy: ResolvedBy, seconds = 0): void {
    const row = this.#rows.get(id)!;
    this.#rows.set(id, { ...row, resolvedBy, seconds, peakBytes: this.#run.gpu.peakBytes });
  }

  /** A stage's entry, whichever run made it. */
  entry(id: string, entry: Entry): void {
    const { parts, seconds, peakBytes } = aboutOf(entry);
    const row = this.#rows.get(id)!;
    const outputs = entry.record.files;
    this.#rows.set(id, { ...row, outputs, parts, madeIn: seconds, peakBytes: row.peakBytes || peakBytes });
  }

  async manifest(
    status: Manifest['status'],
    files: RunFile[],
    { scores, error }: { scores?: readonly Score[]; error?: unknown },
  ): Promise<Manifest> {
    const { plan, gpu, folder, store, options } = this.#run;
    const { from, until, command = `npx splatline run ${plan.file}` } = options;
    const stages = [...this.#rows.values()];
    const packages = Object.assign({}, ...stages.map(({ identity }) => identity.packages));
    return {
      format: 1,
      status,
      // JSON leaves out what is undefined.
      error: error === undefined ? undefined : error instanceof Error ? error.message : String(error),
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
      stages,
      files,
      scores,
      ledger: gpu.ledger.rows(),
    };
  }
}

/** `stages/<id>/stage.json`. */
export function stageDescription(keyed: KeyedStage, entry: Entry): object {
  const { id, key, stage, seed, options, identity, places } = keyed;
  const { seconds, artefacts } = aboutOf(entry);
  const { made } = entry.record;
  return { id, stage: stage.name, key, seed, options, artefacts, made, seconds, identity, places };
}

export async function packageVersion(): Promise<string> {
  const text = await readFile(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

/** Undefined outside a repository, before its first commit, or without git. */
async function gitState(file: string): Promise<GitState | undefined> {
  const { printed } = await import('../process.ts'); // late, so that commands that run no program do not load it
  const args = ['status', '--porcelain=v2', '--branch', '--untracked-files=no'];
  const text = (await printed('git', args, dirname(file))) ?? '';
  const commit = /^# branch\.oid ([0-9a-f]+)$/m.exec(text)?.[1];
  return commit === undefined ? undefined : { commit, dirty: /^[^#\n]/m.test(text) };
}
