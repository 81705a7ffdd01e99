import { relative } from 'node:path';
import type { Score } from '../../stages/artefacts/scores.ts';
import type { Gpu } from '../../wgsl/core/index.ts';
import type { Plan } from '../file/plan.ts';
import type { KeyedStage } from '../keys/identity.ts';
import type { Entry } from '../store/record.ts';
import { type GitState, gitState } from './git.ts';
import {
  type How,
  type Manifest,
  packageVersion,
  type RunFile,
  type StageRow,
  withContents,
} from './manifest.ts';
import { aboutOf, FILES, filesOf } from './outputs.ts';
import type { Range } from './prepare.ts';

interface Recorded {
  plan: Plan;
  stages: readonly KeyedStage[];
  gpu: Gpu;
  folder: { root: string };
  store: { root: string };
  options: Range & { command?: string };
}

/** What a run has done so far, for its run.json. */
export class RunRecord {
  readonly #parts: Recorded;
  readonly #start = performance.now();
  readonly #rows = new Map<string, StageRow>();
  /** Size and sha256 of the files for people that this run has shown. */
  readonly #contents = new Map<string, { bytes: number; sha256: string }>();
  readonly #git: Promise<GitState | undefined>;

  constructor(parts: Recorded) {
    this.#parts = parts;
    this.#git = gitState(parts.plan.file);
    for (const { id, stage, key, options, seed, identity, places } of parts.stages) {
      const row = { id, stage: stage.name, key, how: 'unused', seconds: 0, peakBytes: 0 } as const;
      this.#rows.set(id, { ...row, options, seed, outputs: [], parts: {}, identity, places });
    }
  }

  get seconds(): number {
    return (performance.now() - this.#start) / 1000;
  }

  get ran(): string[] {
    return [...this.#rows.values()].filter(({ how }) => how === 'ran').map(({ id }) => id);
  }

  how(id: string, how: How, seconds = 0): void {
    const row = this.#rows.get(id)!;
    this.#rows.set(id, { ...row, how, seconds, peakBytes: this.#parts.gpu.peakBytes });
  }

  /** What lies in the store for a stage, however it came there. */
  made({ id }: KeyedStage, entry: Entry): void {
    const { parts, seconds, peakBytes } = aboutOf(entry);
    const row = this.#rows.get(id)!;
    const outputs = entry.record.files;
    this.#rows.set(id, { ...row, outputs, parts, madeIn: seconds, peakBytes: row.peakBytes || peakBytes });
    this.#note(entry);
  }

  published(entry: Entry): void {
    this.#note(entry);
  }

  #note(entry: Entry): void {
    const known = new Map(entry.record.files.map((file) => [file.path, file]));
    for (const path of filesOf(entry)) {
      const { bytes, sha256 } = known.get(`${FILES}/${path}`)!;
      this.#contents.set(path, { bytes, sha256 });
    }
  }

  /** What `stages/<id>/stage.json` says. */
  stageFile({ id, key, stage, seed, options, identity, places }: KeyedStage, entry: Entry): object {
    const { seconds, artefacts } = aboutOf(entry);
    const { made } = entry.record;
    return { id, stage: stage.name, key, seed, options, artefacts, made, seconds, identity, places };
  }

  async manifest(
    status: Manifest['status'],
    files: readonly RunFile[],
    { scores, error }: { scores?: readonly Score[]; error?: unknown },
  ): Promise<Manifest> {
    const { plan, gpu, folder, store, options } = this.#parts;
    const { from, until, command = `npx splatline run ${plan.file}` } = options;
    const git = await this.#git;
    const packages = Object.assign({}, ...[...this.#rows.values()].map(({ identity }) => identity.packages));
    return {
      format: 1,
      status,
      ...(error === undefined ? {} : { error: error instanceof Error ? error.message : String(error) }),
      name: plan.name,
      seed: plan.seed,
      command,
      cwd: process.cwd(),
      file: plan.file,
      store: relative(folder.root, store.root),
      ...(plan.cell ? { cell: plan.cell } : {}),
      ...(from === undefined ? {} : { from }),
      ...(until === undefined ? {} : { until }),
      versions: { splatline: await packageVersion(), node: process.version, packages },
      ...(git ? { git } : {}),
      adapter: gpu.adapter,
      seconds: this.seconds,
      stages: [...this.#rows.values()],
      files: await withContents(files, this.#contents, folder.root),
      ...(scores ? { scores } : {}),
      ledger: gpu.ledger.rows(),
    };
  }
}
