import { join } from 'node:path';
import { type ArtefactFormats, artefactFormats } from '../../stages/artefacts/formats.ts';
import type { Score } from '../../stages/artefacts/scores.ts';
import { Stopped } from '../../stages/checkpoints.ts';
import { type ArtefactName, stageGives } from '../../stages/stage.ts';
import { type Gpu, InputError } from '../../wgsl/core/index.ts';
import type { Plan } from '../file/plan.ts';
import type { KeyedStage } from '../keys/identity.ts';
import type { Entry } from '../store/entry.ts';
import type { Store } from '../store/store.ts';
import { type ArtefactRef, aboutOf, publishedNames, publishesAtOnce, refId } from './entries.ts';
import type { RunEvent, RunResult } from './events.ts';
import { type Manifest, ManifestRecorder, stageDescription } from './manifest.ts';
import { MaterializedResults } from './materialize.ts';
import { MANIFEST, RunFolder } from './run-folder.ts';
import { StageExecutor } from './stage-executor.ts';
import {
  deviceFor,
  foldersOf,
  isStale,
  keysOf,
  preflight,
  type Range,
  rangeOf,
  staleStages,
} from './stage-plan.ts';
import { stoppedBy } from './waiting.ts';

export interface RunOptions extends Range {
  onEvent?(event: RunEvent): void;
  /** Stops the run when aborted: a stage that keeps checkpoints saves one first, others end at once. */
  signal?: AbortSignal;
  /** The command that repeats the run, for run.json. */
  command?: string;
  /** The adapter to open, as `openGpu` takes it. */
  adapter?: string;
  /** A device to run on, which stays open. Default: a new one. */
  gpu?: Gpu;
  /** How artefacts are saved; for tests. */
  formats?: ArtefactFormats;
}

/**
 * Runs a plan: takes the stages that the store has and runs the others. Source stages that are needed read first; only
 * then is anything made on disk. A stage's results appear in the store, and then in the run's folder, when they are
 * complete.
 * @throws InputError for the user's mistakes, GpuError when the device fails, Stopped when `signal` is aborted.
 */
export async function runPlan(plan: Plan, options: RunOptions = {}): Promise<RunResult> {
  const { out, store } = foldersOf(plan, options);
  await RunFolder.check(out);
  const { upTo, forced } = rangeOf(plan, options);
  // A first run checks all inputs before it opens a device. In a later run most stages are cached, and checking inputs
  // that nothing reads would take longer than finding that out.
  const isFirst = !(await RunFolder.isRun(out));
  if (isFirst) await preflight(upTo);
  const gpu = options.gpu ?? (await deviceFor(upTo, options.adapter));
  const folder = new RunFolder(out);
  try {
    const stages = await keysOf(plan, upTo, gpu);
    const planned = upTo.length < plan.stages.length && !isFirst ? await allKeys(plan, stages, gpu) : stages;
    const formats = options.formats ?? artefactFormats;
    return await new Run({
      plan,
      stages,
      planned,
      forced,
      gpu,
      store,
      folder,
      formats,
      options,
      isFirst,
    }).run();
  } finally {
    await folder.close();
    if (!options.gpu) gpu.close();
  }
}

/** The keys of all stages, those beyond `--until` included if their inputs can be read. */
async function allKeys(plan: Plan, upTo: readonly KeyedStage[], gpu: Gpu): Promise<readonly KeyedStage[]> {
  return keysOf(plan, plan.stages, gpu).catch((error: unknown) => {
    if (error instanceof InputError) return upTo;
    throw error;
  });
}

interface RunParts {
  plan: Plan;
  /** The stages of this run. */
  stages: readonly KeyedStage[];
  /** All stages of the plan. */
  planned: readonly KeyedStage[];
  /** Ids of stages that run though their results are saved. */
  forced: ReadonlySet<string>;
  gpu: Gpu;
  store: Store;
  folder: RunFolder;
  formats: ArtefactFormats;
  options: RunOptions;
  /** Whether the inputs were checked, because the folder holds no run. */
  isFirst: boolean;
}

class Run {
  readonly #parts: RunParts;
  readonly #executor: StageExecutor;
  readonly #results: MaterializedResults;
  readonly #recorder: ManifestRecorder;
  readonly #report: (event: RunEvent) => void;
  /** Each artefact after the stages so far, and the id of the stage that gave it. */
  readonly #bound = new Map<ArtefactName, { ref: ArtefactRef; by: string }>();
  /** The published artefacts (`refId`) by name. */
  readonly #published = new Map<ArtefactName, string>();
  #scores?: readonly Score[];
  /** Whether this run has written to its folder. */
  #begun = false;

  constructor(parts: RunParts) {
    const { folder, planned, options } = parts;
    const { signal, onEvent: report = () => {} } = options;
    this.#parts = parts;
    this.#report = report;
    this.#results = new MaterializedResults(folder, new Map(planned.map(({ id, key }) => [id, key])));
    this.#recorder = new ManifestRecorder(parts);
    this.#executor = new StageExecutor({
      ...parts,
      signal,
      report,
      resolved: (...row) => this.#recorder.resolved(...row),
      redone: (stage, entry) => this.#show(stage, entry),
    });
  }

  async run(): Promise<RunResult> {
    const { plan, stages, gpu, folder } = this.#parts;
    const { root: out } = folder;
    const ids = stages.map(({ id }) => id);
    this.#report({
      event: 'run',
      name: plan.name,
      out,
      seed: plan.seed,
      stages: ids,
      adapter: gpu.adapter,
    });
    try {
      await this.#open();
      for (const [index, stage] of stages.entries()) await this.#stage(stage, index);
      await this.#finish();
    } catch (error) {
      this.#executor.keepOnly([]);
      await this.#fail(error);
      throw error;
    }
    const files = this.#results.files.filter((file) => this.#results.isCurrent(file));
    const result: RunResult = {
      out,
      files: files.map(({ path }) => join(out, path)),
      stale: (await this.#results.stale()).map((path) => join(out, path)),
      remarks: this.#remarks(),
      seconds: this.#recorder.seconds,
      ran: this.#recorder.ran,
      ledger: gpu.ledger.rows(),
    };
    this.#report({ event: 'result', ...result });
    return result;
  }

  /** Reads what is needed of the user's files, then opens the folder. */
  async #open(): Promise<void> {
    const { folder, store, options, isFirst } = this.#parts;
    const stale = await staleStages(this.#parts);
    if (!isFirst) await preflight(stale);
    for (const stage of stale) {
      if (!stage.stage.source) break;
      await this.#executor.read(stage);
    }
    if (stale.length) await store.writable();
    await folder.open({
      signal: options.signal,
      onWait: (holder) => {
        const text = `${holder} is writing to ${folder.root}; waiting for that`;
        this.#report({ event: 'wait', stage: '', text });
      },
    });
    await this.#results.readEarlier();
  }

  async #stage(stage: KeyedStage, index: number): Promise<void> {
    const { signal } = this.#parts.options;
    if (signal?.aborted) throw stoppedBy(signal);
    const gives = stageGives(stage.stage, stage.options);
    const { id, key } = stage;
    if (stage.stage.source) {
      for (const name of gives) this.#bound.set(name, { ref: { key, name }, by: id });
      return;
    }
    const entry = await this.#executor.entryOf(stage);
    for (const [name, ref] of Object.entries(aboutOf(entry).artefacts)) {
      this.#bound.set(name as ArtefactName, { ref, by: id });
    }
    await this.#show(stage, entry);
    if (publishesAtOnce(stage.stage)) for (const name of gives) await this.#publish(name, id);
    await this.#freeUnneeded(index + 1);
  }

  /** Shows a stage's results in the run's folder. */
  async #show(stage: KeyedStage, entry: Entry): Promise<void> {
    await this.#begin();
    await this.#results.showFiles(entry, stage.id);
    await this.#results.showStage(entry, stage.id, stageDescription(stage, entry));
    this.#recorder.entry(stage.id, entry);
  }

  /** Shows an artefact's file for people, if it has one; each value once. */
  async #publish(name: ArtefactName, stage: string): Promise<void> {
    const ref = this.#bound.get(name)?.ref;
    if (!ref || !this.#parts.formats[name].publish || this.#published.get(name) === refId(ref)) return;
    const entry = await this.#executor.publication(name, ref, stage);
    await this.#results.showFiles(entry, stage);
    this.#published.set(name, refId(ref));
  }

  /** Frees buffers that no later stage takes and that are not to be published. */
  async #freeUnneeded(next: number): Promise<void> {
    const { stages, store, formats } = this.#parts;
    const wanted: ArtefactRef[] = [];
    for (const stage of stages.slice(next)) {
      if (!(await isStale(stage, { store, forced: this.#executor.forced }))) continue;
      for (const [name, giver] of stage.inputs) {
        const bound = this.#bound.get(name);
        wanted.push(bound?.by === giver.id ? bound.ref : { key: giver.key, name });
      }
    }
    for (const name of publishedNames(formats)) {
      const ref = this.#bound.get(name)?.ref;
      if (ref && this.#published.get(name) !== refId(ref)) wanted.push(ref);
    }
    this.#executor.keepOnly(wanted);
  }

  async #finish(): Promise<void> {
    await this.#begin();
    for (const [name, { by }] of this.#bound) await this.#publish(name, by);
    const scores = this.#bound.get('scores');
    if (scores) this.#scores = (await this.#executor.value({ ...scores.ref, name: 'scores' })).scores;
    this.#executor.keepOnly([]);
    await this.#results.removeReplaced(this.#parts.stages.map(({ id }) => id));
    await this.#write('done');
  }

  /** Before the first file appears, the folder is marked as this run's. */
  async #begin(): Promise<void> {
    if (this.#begun) return;
    this.#begun = true;
    await this.#write('running');
  }

  /** Writes the failure into run.json, unless it is a user's mistake that was found before anything was written. */
  async #fail(error: unknown): Promise<void> {
    const { folder, gpu } = this.#parts;
    if (!folder.isOpen || (!this.#begun && error instanceof InputError)) return;
    try {
      await this.#write(error instanceof Stopped ? 'stopped' : 'failed', error);
    } catch (second) {
      const text = `${MANIFEST} could not be written: ${second instanceof Error ? second.message : second}`;
      this.#report({ event: 'warn', stage: gpu.ledger.stage, text });
    }
  }

  async #write(status: Manifest['status'], error?: unknown): Promise<void> {
    const manifest = await this.#recorder.manifest(status, this.#results.files, {
      scores: this.#scores,
      error,
    });
    await this.#parts.folder.write(MANIFEST, `${JSON.stringify(manifest, null, 2)}\n`);
  }

  #remarks(): string[] {
    const remarks = [...this.#results.held].map(
      ([name, stage]) =>
        `${name} is that of ${stage}, which this run did not reach and which is still current`,
    );
    const psnr = (name: string) => this.#scores?.find((score) => score.name === name)?.value;
    const [before, after] = [psnr('psnr.before'), psnr('psnr')];
    const restyles = this.#parts.stages.some(({ stage }) => stage.gives.includes('base'));
    if (restyles && before !== undefined && after !== undefined && after < before) {
      remarks.push(
        `Restyling changes the colours on purpose, so psnr against the photographs falls: ${before.toFixed(1)} dB before, ` +
          `${after.toFixed(1)} dB after. psnr.before is the quality of the trained splat.`,
      );
    }
    return remarks;
  }
}
