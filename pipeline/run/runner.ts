import { join } from 'node:path';
import { type ArtefactFormats, artefactFormats } from '../../stages/artefacts/formats.ts';
import type { Score } from '../../stages/artefacts/scores.ts';
import { Stopped } from '../../stages/checkpoints.ts';
import { type ArtefactName, stageGives } from '../../stages/stage.ts';
import { type Gpu, InputError, type LedgerRow, openGpu } from '../../wgsl/core/index.ts';
import type { Plan } from '../file/plan.ts';
import type { KeyedStage } from '../keys/identity.ts';
import type { Entry } from '../store/record.ts';
import type { Store } from '../store/store.ts';
import type { RunEvent } from './events.ts';
import { MANIFEST, RunFolder } from './folder.ts';
import type { Manifest } from './manifest.ts';
import { missingStages } from './missing.ts';
import { type ArtefactRef, aboutOf } from './outputs.ts';
import { deviceFor, keysOf, placeOf, preflight, type Range, rangeOf } from './prepare.ts';
import { isForPeople, publishedNames } from './publication.ts';
import { RunRecord } from './record.ts';
import { Results } from './results.ts';
import { View } from './view.ts';
import { holderWords, stoppedBy } from './waiting.ts';
import { Workshop } from './workshop.ts';

export interface RunOptions extends Range {
  onEvent?(event: RunEvent): void;
  /** Aborted to stop the run: a stage that keeps checkpoints saves one first, the others end at once. */
  signal?: AbortSignal;
  /** The command that repeats the run, for run.json. */
  command?: string;
  /** The adapter to open, as `openGpu` takes it. */
  adapter?: string;
  /** A device to run on, left open. Default: one of our own. */
  gpu?: Gpu;
  /** How artefacts are kept; tests bring their own. */
  formats?: ArtefactFormats;
}

export interface RunResult {
  out: string;
  /** Absolute paths of what the run left for people. */
  files: string[];
  seconds: number;
  /** Ids of the stages whose work was done, not found. */
  ran: string[];
  /** Every byte between CPU and GPU, by stage and purpose. */
  ledger: LedgerRow[];
}

/**
 * Runs a plan: takes the stages whose work the store has as they are, and does the others. Source stages that are needed
 * read first; only then is anything made on disk. A stage's output appears in the store when it is complete, and in the
 * run's folder as soon as it is there.
 * @throws InputError for what the user can mend, GpuError when the device fails, Stopped when `signal` asked for it.
 */
export async function runPlan(plan: Plan, options: RunOptions = {}): Promise<RunResult> {
  const { out, store } = placeOf(plan, options);
  await RunFolder.check(out);
  const { upTo, forced } = rangeOf(plan, options);
  const { adapter } = options;
  // Where nothing stands yet, mistakes are told before a device is opened; where a run does, most of its work is saved, and
  // looking at inputs that nothing will read takes longer than finding it.
  const isFirst = !(await RunFolder.isRun(out));
  if (isFirst) await preflight(upTo);
  const gpu = options.gpu ?? (await deviceFor(upTo, () => openGpu({ adapter })));
  const folder = new RunFolder(out);
  try {
    const stages = await keysOf(plan, upTo, gpu);
    const formats = options.formats ?? artefactFormats;
    const parts = { plan, stages, forced, gpu, store, folder, formats, options, isFirst };
    return await new Run(parts).run();
  } finally {
    await folder.close();
    if (!options.gpu) gpu.close();
  }
}

interface Parts {
  plan: Plan;
  stages: KeyedStage[];
  /** Ids of stages that run though their work is saved. */
  forced: ReadonlySet<string>;
  gpu: Gpu;
  store: Store;
  folder: RunFolder;
  formats: ArtefactFormats;
  options: RunOptions;
  /** Whether the inputs were looked at, as no run stands in the folder. */
  isFirst: boolean;
}

class Run {
  readonly #parts: Parts;
  readonly #workshop: Workshop;
  readonly #results: Results;
  readonly #view: View;
  readonly #record: RunRecord;
  readonly #tell: (event: RunEvent) => void;
  /** Where each artefact lies after the stages so far, and the id of the stage that gave it. */
  readonly #bound = new Map<ArtefactName, { ref: ArtefactRef; by: string }>();
  /** What is shown for people already, by artefact, and the keys of those files. */
  readonly #shown = new Map<ArtefactName, string>();
  readonly #publications: string[] = [];
  #scores?: readonly Score[];
  /** Whether this run has written to its folder. */
  #begun = false;
  /** Whether the store could not note what this run needs. */
  #unnoted = false;

  constructor(parts: Parts) {
    const { plan, folder, options } = parts;
    const { checkpoints } = plan;
    const { signal, onEvent: tell = () => {} } = options;
    this.#parts = parts;
    this.#tell = tell;
    this.#results = new Results(folder);
    this.#view = new View(folder, this.#results);
    this.#record = new RunRecord(parts);
    const how: RunRecord['how'] = (...row) => this.#record.how(...row);
    const redone = (stage: KeyedStage, entry: Entry) => this.#show(stage, entry);
    this.#workshop = new Workshop({ ...parts, checkpoints, signal, tell, how, redone });
  }

  async run(): Promise<RunResult> {
    const { plan, stages, gpu, folder } = this.#parts;
    const { root: out } = folder;
    this.#tell({
      event: 'run',
      name: plan.name,
      out,
      seed: plan.seed,
      stages: stages.map(({ id }) => id),
      adapter: gpu.adapter,
    });
    try {
      await this.#open();
      for (const [index, stage] of stages.entries()) await this.#stage(stage, index);
      await this.#finish();
    } catch (error) {
      this.#workshop.keepOnly([]);
      await this.#fail(error);
      throw error;
    }
    const { seconds, ran } = this.#record;
    const files = this.#results.files.map(({ path }) => join(out, path));
    const result = { out, files, seconds, ran, ledger: gpu.ledger.rows() };
    this.#tell({ event: 'result', ...result });
    return result;
  }

  /** Before anything is made on disk, what the user gave is known to be good. */
  async #open(): Promise<void> {
    const { folder, store, options, isFirst } = this.#parts;
    const missing = await missingStages(this.#parts);
    if (!isFirst) await preflight(missing);
    for (const stage of missing) {
      if (!stage.stage.source) break;
      await this.#workshop.read(stage);
    }
    if (missing.length) await store.writable();
    await folder.open({
      signal: options.signal,
      onWait: (holder) => {
        const text = `${holderWords(holder)} is writing to ${folder.root}; waiting for that`;
        this.#tell({ event: 'wait', stage: '', text });
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
    const entry = await this.#workshop.entryOf(stage);
    for (const [name, ref] of Object.entries(aboutOf(entry).artefacts)) {
      this.#bound.set(name as ArtefactName, { ref, by: id });
    }
    await this.#show(stage, entry);
    if (isForPeople(stage.stage)) for (const name of gives) await this.#publish(name, id);
    await this.#results.redone(id);
    await this.#letGo(index + 1);
  }

  /** The stage's work in the run's folder. */
  async #show(stage: KeyedStage, entry: Entry): Promise<void> {
    await this.#begin();
    await this.#view.showFiles(entry, stage.id);
    await this.#view.showStage(entry, stage.id, this.#record.stageFile(stage, entry));
    this.#record.made(stage, entry);
  }

  /** Shows an artefact as the file that people want, if it is one of those; each value once. */
  async #publish(name: ArtefactName, stage: string): Promise<void> {
    const ref = this.#bound.get(name)?.ref;
    if (!this.#parts.formats[name].publish || !ref || this.#shown.get(name) === idOf(ref)) return;
    const entry = await this.#workshop.publication(name, ref, stage);
    await this.#view.showFiles(entry, stage);
    this.#record.published(entry);
    this.#publications.push(entry.key);
    this.#shown.set(name, idOf(ref));
  }

  /** Lets go of buffers that no later stage with work to do takes and nobody is to see. */
  async #letGo(next: number): Promise<void> {
    const { stages, formats } = this.#parts;
    const wanted: ArtefactRef[] = [];
    for (const stage of stages.slice(next)) {
      if (!(await this.#workshop.isMissing(stage))) continue;
      for (const [name, giver] of stage.inputs) {
        const bound = this.#bound.get(name);
        wanted.push(bound?.by === giver.id ? bound.ref : { key: giver.key, name });
      }
    }
    for (const name of publishedNames(formats)) {
      const ref = this.#bound.get(name)?.ref;
      if (ref && this.#shown.get(name) !== idOf(ref)) wanted.push(ref);
    }
    this.#workshop.keepOnly(wanted);
  }

  async #finish(): Promise<void> {
    await this.#begin();
    for (const [name, { by }] of this.#bound) await this.#publish(name, by);
    const scores = this.#bound.get('scores');
    if (scores) this.#scores = (await this.#workshop.value({ ...scores.ref, name: 'scores' })).scores;
    this.#workshop.keepOnly([]);
    await this.#results.finish();
    await this.#view.onlyStages(this.#parts.stages.map(({ id }) => id));
    await this.#remember();
    await this.#write('done');
  }

  /** Before the first file takes its place, the folder says whose it is. */
  async #begin(): Promise<void> {
    if (this.#begun) return;
    this.#begun = true;
    await this.#remember();
    await this.#write('running');
  }

  /**
   * What gc must leave: all that this run shows. A store that takes no more names (read-only, full) serves a run with
   * nothing to do all the same.
   */
  async #remember(): Promise<void> {
    const { stages, store, folder } = this.#parts;
    const kept = stages.filter(({ stage }) => !stage.source).map(({ key }) => key);
    try {
      await store.runs.remember(folder.root, [...kept, ...this.#publications]);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      const text = `the store could not note that this run needs it, so gc may free what it shows: ${error.message}`;
      if (!this.#unnoted) this.#tell({ event: 'warn', stage: '', text });
      this.#unnoted = true;
    }
  }

  /** Says so in run.json, except for a mistake of the user's that was found before anything was written. */
  async #fail(error: unknown): Promise<void> {
    const { folder, gpu } = this.#parts;
    if (!folder.isOpen || (!this.#begun && error instanceof InputError)) return;
    try {
      await this.#write(error instanceof Stopped ? 'stopped' : 'failed', error);
    } catch (second) {
      const text = `${MANIFEST} could not be written: ${second instanceof Error ? second.message : second}`;
      this.#tell({ event: 'warn', stage: gpu.ledger.stage, text });
    }
  }

  async #write(status: Manifest['status'], error?: unknown): Promise<void> {
    const manifest = await this.#record.manifest(status, this.#results.all, { scores: this.#scores, error });
    await this.#parts.folder.write(MANIFEST, `${JSON.stringify(manifest, null, 2)}\n`);
  }
}

function idOf({ key, name }: ArtefactRef): string {
  return `${key} ${name}`;
}
