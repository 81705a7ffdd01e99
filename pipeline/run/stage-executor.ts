import { join } from 'node:path';
import {
  type ArtefactName,
  type Artefacts,
  type OutputFolder,
  type Preview,
  type Report,
  stageGives,
} from '../../stages/stage.ts';
import { sha256Of } from '../hash.ts';
import type { KeyedStage } from '../keys/identity.ts';
import { Checkpoints } from '../store/checkpoints.ts';
import type { Entry } from '../store/entry.ts';
import { countedUnder, LiveArtefacts, loadArtefact, RESUME, saveArtefact } from './artefacts.ts';
import {
  ARTEFACTS,
  type ArtefactRef,
  aboutOf,
  differences,
  FILES,
  type OutputAbout,
  RECORDS,
} from './entries.ts';
import { RateMeter, type RunEvent } from './events.ts';
import type { Outcome } from './manifest.ts';
import { METRICS_FILE, MetricsLog } from './metrics-log.ts';
import { stagedOutput } from './run-folder.ts';
import type { PreparedPlan } from './stage-plan.ts';
import { orDeviceLost, orStopped } from './waiting.ts';

interface ExecutorOptions extends PreparedPlan {
  signal?: AbortSignal;
  report(event: RunEvent): void;
  /** Receives the lines of a stage's metrics as it makes them. */
  onMetrics(stage: string, lines: readonly string[]): void;
  preview?: Preview;
  /** Called when a stage has an entry; again if it ran a second time because its results were damaged or missing. */
  onEntry(stage: KeyedStage, entry: Entry): Promise<void>;
}

/** Where a stage puts its results and keeps unfinished work. */
interface Work {
  output: OutputFolder;
  records: OutputFolder;
  checkpoints?: Checkpoints;
  log?: MetricsLog;
}

/**
 * Resolves the stages of a plan: from the store, or by running them. Loads an input only when a running stage needs it.
 * Owns the buffers of all artefacts; stages own all other buffers that they create.
 */
export class StageExecutor {
  /** By id, of the stages so far. */
  readonly outcomes = new Map<string, Outcome>();
  /** The id of the stage that runs, or of the one that failed. */
  current?: string;
  readonly #options: ExecutorOptions;
  readonly #byKey: ReadonlyMap<string, KeyedStage>;
  readonly #live: LiveArtefacts;
  /** Whether a forced stage produced other bytes than before. */
  #differed = false;

  constructor(options: ExecutorOptions) {
    this.#options = options;
    this.#byKey = new Map(options.stages.map((stage) => [stage.key, stage]));
    this.#live = new LiveArtefacts(options.formats);
    options.store.onDamaged = ({ key, reason }) => {
      const stage = this.#byKey.get(key)?.id ?? options.gpu.ledger.stage;
      const text = `saved work is damaged and not used (${reason})`;
      options.report({ event: 'warn', stage, text });
    };
  }

  /** Runs a stage, unless the store has its results. A source stage runs only when a value of it is needed. */
  async resolve(stage: KeyedStage): Promise<void> {
    if (stage.stage.source) return;
    const isForced = this.#options.forced.has(stage.id);
    const saved = isForced ? undefined : await this.#find(stage);
    if (saved) await this.#useSaved(stage, saved);
    else await this.#run(stage, { isForced });
  }

  /** Runs a source stage. It only reads files, and the store keeps no copy of them. */
  async read(source: KeyedStage): Promise<void> {
    const { id, key } = source;
    const done = this.#start(source);
    const output: OutputFolder = {
      write: async (path) => Promise.reject(new Error(`a source stage cannot write ${path}`)),
    };
    const inputs = await this.#inputsOf(source);
    const given = await countedUnder(this.#options.gpu, id, () =>
      this.#perform(source, inputs, { output, records: output }),
    );
    for (const [name, value] of entriesOf(given)) this.#live.add({ key, name }, value);
    await done('read');
  }

  /** An artefact on the GPU: live, loaded from the store, or recomputed if the saved one is damaged. */
  async value<Name extends ArtefactName>(given: { key: string; name: Name }): Promise<Artefacts[Name]> {
    const { gpu, formats } = this.#options;
    const ref = this.#origin(given);
    const live = () => this.#live.get(ref) as Artefacts[Name] | undefined;
    const producer = this.#byKey.get(ref.key);
    if (!producer) throw new Error(`no stage has the key ${ref.key}`);
    if (live()) return live()!;
    if (producer.stage.source) {
      await this.read(producer);
      return live()!;
    }
    const folder = `${ARTEFACTS}/${ref.name}`;
    const entry = (await this.#find(producer, folder)) ?? (await this.#run(producer, { folder }));
    if (!aboutOf(entry).artefacts[ref.name]) throw new Error(`${producer.id} did not return ${ref.name}`);
    if (live()) return live()!;
    const loaded = await countedUnder(gpu, RESUME, () => loadArtefact({ gpu, formats }, entry, ref.name));
    this.#live.add(ref, loaded);
    return loaded as Artefacts[Name];
  }

  /** Frees all artefacts but these. */
  keepOnly(wanted: readonly ArtefactRef[]): void {
    this.#live.keepOnly(wanted.map((ref) => this.#origin(ref)));
  }

  /** An artefact under the key of the stage that produced it, through stages that passed it on. */
  #origin<Name extends ArtefactName>(ref: { key: string; name: Name }): ArtefactRef {
    const producer = this.#byKey.get(ref.key);
    const entry = producer && this.outcomes.get(producer.id)?.entry;
    return (entry && aboutOf(entry).artefacts[ref.name]) ?? ref;
  }

  /** A stage's entry if its result files, and those below `folder`, are intact. */
  async #find(stage: KeyedStage, ...folder: string[]): Promise<Entry | undefined> {
    const { store } = this.#options;
    const entry = await store.find(stage.key, [FILES, RECORDS, ...folder]);
    if (entry) await store.used(stage.key);
    return entry;
  }

  /** Runs a stage. If another process is running it, waits and uses its results. */
  async #run(stage: KeyedStage, { isForced = false, folder = FILES } = {}): Promise<Entry> {
    const { store, gpu, signal, report } = this.#options;
    const { id, key } = stage;
    const done = this.#start(stage);
    const onWait = (holder: string) =>
      report({ event: 'wait', stage: id, text: `${holder} is running it; waiting for the result` });
    const lock = await store.lock(key, { signal, onWait });
    try {
      const saved = isForced ? await store.find(key) : await this.#find(stage, folder);
      if (saved && !isForced) return await this.#useSaved(stage, saved);
      const entry = await countedUnder(gpu, id, () => this.#execute(stage, isForced));
      if (saved) this.#compare(stage, saved, entry);
      await done('ran', entry);
      return entry;
    } finally {
      lock.release();
    }
  }

  /** Loads a stage's inputs, runs it and saves its results. */
  async #execute(stage: KeyedStage, isForced: boolean): Promise<Entry> {
    const { plan, gpu, store, formats, signal, onMetrics } = this.#options;
    const { id, key } = stage;
    if (stage.stage.repeats === false) await this.#removeDependents(stage);
    const inputs = await this.#inputsOf(stage);
    // A forced stage starts over: it resumes only from checkpoints of a forced run.
    const forcedKey = sha256Of(`${key} forced`);
    const options = { interval: plan.checkpoints, signal };
    const checkpoints = new Checkpoints(store, isForced ? forcedKey : key, options);
    const entry = await store.commit(key, async (folder) => {
      const start = performance.now();
      const [output, records] = [FILES, RECORDS].map((name) => stagedOutput(join(folder, name)));
      const log = new MetricsLog((lines) => onMetrics(id, lines));
      const given = await this.#perform(stage, inputs, { output, records, checkpoints, log });
      if (log.text()) await records.write(METRICS_FILE, log.text());
      const artefacts: OutputAbout['artefacts'] = {};
      const parts: OutputAbout['parts'] = {};
      for (const [name, value] of entriesOf(given)) {
        const passThrough = this.#live.refOf(value);
        artefacts[name] = passThrough ?? { key, name };
        if (passThrough) continue;
        this.#live.add({ key, name }, value);
        parts[name] = await saveArtefact({ gpu, formats }, folder, name, value);
      }
      const seconds = (performance.now() - start) / 1000;
      const { peakBytes } = gpu;
      const about = { stage: stage.stage.name, run: plan.name, seconds, peakBytes, artefacts, parts };
      return { identity: stage.identity, about: about satisfies OutputAbout };
    });
    await checkpoints.remove();
    return entry;
  }

  /** Removes the saved work of the plan that depends on a stage which may not repeat its results. */
  async #removeDependents({ key }: KeyedStage): Promise<void> {
    const { planned, store } = this.#options;
    const outdated = new Set([key]);
    for (const { key, inputs } of planned) {
      if (![...inputs.values()].some((input) => outdated.has(input.key))) continue;
      outdated.add(key);
      await store.remove(store.folderOf(key));
      await new Checkpoints(store, key).remove();
    }
  }

  async #inputsOf(stage: KeyedStage): Promise<Partial<Artefacts>> {
    const inputs: Partial<Artefacts> = {};
    for (const [name, producer] of stage.inputs) {
      Object.assign(inputs, { [name]: await this.value({ key: producer.key, name }) });
    }
    return inputs;
  }

  /** Runs the stage's function and checks that it returned all artefacts and that the device is alive. */
  async #perform(
    { id, stage, seed, options }: KeyedStage,
    inputs: Partial<Artefacts>,
    { output, records, checkpoints, log }: Work,
  ): Promise<Partial<Artefacts>> {
    const { gpu, signal, preview } = this.#options;
    const report = this.#stageReport(id);
    const settings = {
      ...{ seed, output, records, preview, signal },
      report: log?.over(report) ?? report,
      checkpoints: checkpoints && (log?.keptIn(checkpoints) ?? checkpoints),
    };
    const running = stage.run(gpu, inputs, options, settings);
    const given = await orStopped(signal, checkpoints, orDeviceLost(gpu, running));
    await gpu.settle();
    const missing = stageGives(stage, options).filter((name) => !given[name]);
    if (missing.length) throw new Error(`stage ${id} did not return ${missing.join(', ')}`);
    return given;
  }

  /** A forced stage has the key of the saved one, so it must produce the same bytes. */
  #compare({ id }: KeyedStage, before: Entry, now: Entry): void {
    const outputOf = (entry: Entry) => ({ parts: aboutOf(entry).parts, outputs: entry.record.files });
    const [first, ...more] = differences(outputOf(before), outputOf(now));
    if (first === undefined || this.#differed) return;
    this.#differed = true; // later stages differ because of this one
    const rest = more.length ? ` and ${more.length} more` : '';
    const text = `ran again, with other bytes than before in ${first}${rest}: this adapter does not reproduce its results`;
    this.#options.report({ event: 'warn', stage: id, text });
  }

  /** Takes a stage's results from the store. */
  async #useSaved(stage: KeyedStage, entry: Entry): Promise<Entry> {
    const { seconds, peakBytes } = aboutOf(entry);
    this.outcomes.set(stage.id, { resolvedBy: 'cached', seconds: 0, peakBytes, entry });
    await this.#options.onEntry(stage, entry); // first: the files exist when the event is reported
    this.#options.report({ event: 'cached', stage: stage.id, key: stage.key, seconds });
    return entry;
  }

  /** Reports that a stage starts; the result reports its end. */
  #start(stage: KeyedStage) {
    const { stages, gpu, report, onEntry } = this.#options;
    report({ event: 'stage', stage: stage.id, index: stages.indexOf(stage), count: stages.length });
    this.current = stage.id;
    const start = performance.now();
    return async (resolvedBy: 'ran' | 'read', entry?: Entry): Promise<void> => {
      const seconds = (performance.now() - start) / 1000;
      this.outcomes.set(stage.id, { resolvedBy, seconds, peakBytes: gpu.peakBytes, entry });
      report({ event: 'done', stage: stage.id, seconds });
      if (entry) await onEntry(stage, entry);
      this.current = undefined;
    };
  }

  #stageReport(stage: string): Report {
    const { report } = this.#options;
    const meter = new RateMeter();
    return {
      progress: ({ step, steps, metrics = {}, from, compiling }) => {
        const rate = compiling ? meter.compiling() : meter.mark(step, steps);
        report({ event: 'progress', stage, step, steps, metrics, from, ...rate });
      },
      note: (text) => report({ event: 'note', stage, text }),
      warn: (text) => report({ event: 'warn', stage, text }),
    };
  }
}

/** The artefacts that are there, typed. */
function entriesOf(artefacts: Partial<Artefacts>): [ArtefactName, Artefacts[ArtefactName]][] {
  return Object.entries(artefacts).filter(([, value]) => value) as [ArtefactName, Artefacts[ArtefactName]][];
}
