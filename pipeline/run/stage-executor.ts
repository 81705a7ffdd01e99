import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { ArtefactFormats } from '../../stages/artefacts/formats.ts';
import {
  type ArtefactName,
  type Artefacts,
  type OutputFolder,
  type Report,
  stageGives,
} from '../../stages/stage.ts';
import type { Gpu } from '../../wgsl/core/index.ts';
import type { Plan } from '../file/plan.ts';
import type { KeyedStage } from '../keys/identity.ts';
import { Checkpoints } from '../store/checkpoints.ts';
import { describeDamage, type Entry } from '../store/entry.ts';
import type { Store } from '../store/store.ts';
import { CheckpointPolicy } from './checkpoint-policy.ts';
import {
  type ArtefactRef,
  aboutOf,
  differences,
  FILES,
  filesOf,
  loadArtefact,
  type OutputAbout,
  publicationOf,
  saveArtefact,
} from './entries.ts';
import { RateMeter, type RunEvent } from './events.ts';
import { LiveArtefacts } from './live-artefacts.ts';
import type { ResolvedBy } from './manifest.ts';
import { StagedOutput } from './run-folder.ts';
import { RESULTS, RESUME } from './transfers.ts';
import { orDeviceLost, orStopped } from './waiting.ts';

interface ExecutorOptions {
  plan: Plan;
  stages: readonly KeyedStage[];
  /** Ids of stages that run though their results are saved. */
  forced: ReadonlySet<string>;
  gpu: Gpu;
  store: Store;
  formats: ArtefactFormats;
  signal?: AbortSignal;
  report(event: RunEvent): void;
  /** Called when a stage is resolved. */
  resolved(stage: string, by: ResolvedBy, seconds: number): void;
  /** Called when a stage before the present one ran again because its results were damaged or missing. */
  redone(stage: KeyedStage, entry: Entry): Promise<void>;
}

/**
 * Resolves the stages of a plan: from the store, or by running them. Loads an input only when a stage that runs takes it.
 * Owns the buffers of all artefacts; stages own everything else that they make.
 */
export class StageExecutor {
  readonly #options: ExecutorOptions;
  readonly #byKey: ReadonlyMap<string, KeyedStage>;
  /** Forced stages that have not run yet. */
  readonly #forced: Set<string>;
  readonly #live: LiveArtefacts;
  /** Whether a forced stage gave other bytes than before. */
  #differed = false;

  constructor(options: ExecutorOptions) {
    this.#options = options;
    this.#byKey = new Map(options.stages.map((stage) => [stage.key, stage]));
    this.#forced = new Set(options.forced);
    this.#live = new LiveArtefacts(options.formats);
    options.store.onDamaged = ({ key, reason, movedTo }) => this.#warnOfDamage(key, reason, movedTo);
  }

  /** Ids of forced stages that have not run yet. */
  get forced(): ReadonlySet<string> {
    return this.#forced;
  }

  /** The stage's entry in the store; the stage runs if there is none. */
  async entryOf(stage: KeyedStage): Promise<Entry> {
    const entry = this.#forced.has(stage.id) ? undefined : await this.#find(stage.key);
    if (!entry) return this.#run(stage);
    this.#reportCached(stage, entry);
    return entry;
  }

  /** An artefact on the GPU: live, loaded from the store, or made again where the saved one is damaged. */
  async value<Name extends ArtefactName>(ref: { key: string; name: Name }): Promise<Artefacts[Name]> {
    const { store, gpu, formats } = this.#options;
    const live = this.#live.get(ref);
    if (live) return live;
    const maker = this.#byKey.get(ref.key);
    if (!maker) throw new Error(`no stage has the key ${ref.key}`);
    if (maker.stage.source) {
      await this.read(maker);
      return this.#live.get(ref)!;
    }
    const entry = (await this.#find(ref.key)) ?? (await this.#runAgain(maker));
    const origin = aboutOf(entry).artefacts[ref.name];
    if (!origin) throw new Error(`${maker.id} did not give ${ref.name}`);
    if (origin.key !== ref.key || origin.name !== ref.name) {
      return this.value({ key: origin.key, name: origin.name as Name });
    }
    const made = this.#live.get(ref);
    if (made) return made;
    const loaded = await this.#onLedger(RESUME, () => loadArtefact({ gpu, formats, store }, entry, ref.name));
    if (loaded) {
      this.#live.add(ref, loaded);
      return loaded;
    }
    await store.setAside(ref.key, `${ref.name} is not as it was saved`);
    return this.value(ref);
  }

  /** The entry of an artefact's file for people. */
  async publication(name: ArtefactName, ref: ArtefactRef, stage: string): Promise<Entry> {
    const { gpu, store, formats, signal } = this.#options;
    const { key, identity } = publicationOf(name, ref);
    const saved = await this.#find(key);
    if (saved) return saved;
    const value = await this.value(ref);
    const lock = await store.lock(key, { signal });
    try {
      const others = await this.#find(key);
      if (others) return others;
      return await this.#commit(key, identity, async (folder) => {
        await this.#onLedger(RESULTS, async () => {
          await formats[name].publish?.(gpu, value as never, new StagedOutput(join(folder, FILES)));
          await gpu.settle();
        });
        return { stage, artefacts: {}, parts: {} };
      });
    } finally {
      lock.release();
    }
  }

  /** Runs a source stage. It only reads the user's files, and the store keeps none of them. */
  async read(source: KeyedStage): Promise<void> {
    const { id, key } = source;
    const start = this.#reportStart(source);
    const output: OutputFolder = {
      write: async (path) => Promise.reject(new Error(`a source stage cannot write ${path}`)),
    };
    const given = await this.#onLedger(id, () => this.#perform(source, {}, output));
    for (const [name, value] of entriesOf(given)) this.#live.add({ key, name }, value);
    this.#options.resolved(id, 'read', this.#reportDone(id, start));
  }

  /** Frees all artefacts but these. */
  keepOnly(wanted: Iterable<ArtefactRef>): void {
    this.#live.keepOnly(wanted);
  }

  /** The entry of a key if its files for people are as they were saved; a damaged entry is set aside. */
  async #find(key: string): Promise<Entry | undefined> {
    const { store } = this.#options;
    const entry = await store.find(key);
    if (!entry) return undefined;
    const files = filesOf(entry).map((path) => `${FILES}/${path}`);
    const [damage] = await store.check(entry, files);
    if (damage) {
      await store.setAside(key, describeDamage(damage));
      return undefined;
    }
    await store.used(key);
    return entry;
  }

  async #runAgain(stage: KeyedStage): Promise<Entry> {
    const entry = await this.#run(stage);
    await this.#options.redone(stage, entry);
    return entry;
  }

  /** Runs a stage. If another process is running it, waits and takes the results of that one. */
  async #run(stage: KeyedStage): Promise<Entry> {
    const { store, signal, report, resolved } = this.#options;
    const { id, key } = stage;
    const isForced = this.#forced.has(id);
    const start = this.#reportStart(stage);
    const lock = await store.lock(key, {
      signal,
      onWait: (holder) =>
        report({ event: 'wait', stage: id, text: `${holder} is doing it; waiting for that` }),
    });
    try {
      const saved = isForced ? await store.find(key) : await this.#find(key);
      if (saved && !isForced) {
        this.#reportCached(stage, saved);
        return saved;
      }
      const entry = await this.#onLedger(id, () => this.#execute(stage, isForced));
      if (saved) this.#compare(stage, saved, entry);
      this.#forced.delete(id);
      resolved(id, 'ran', this.#reportDone(id, start));
      return entry;
    } finally {
      lock.release();
    }
  }

  /** Loads a stage's inputs, runs it and saves its results. */
  async #execute(stage: KeyedStage, isForced: boolean): Promise<Entry> {
    const { plan, gpu, store, formats, signal } = this.#options;
    const { key } = stage;
    const inputs: Partial<Artefacts> = {};
    for (const [name, giver] of stage.inputs) {
      Object.assign(inputs, { [name]: await this.value({ key: giver.key, name }) });
    }
    // A forced stage starts over: it resumes only from checkpoints of a forced run.
    const forcedKey = createHash('sha256').update(`${key} forced`).digest('hex');
    const files = new Checkpoints(store, isForced ? forcedKey : key);
    const checkpoints = new CheckpointPolicy(files, { rule: plan.checkpoints, signal });
    const entry = await this.#commit(key, stage.identity, async (folder) => {
      const given = await this.#perform(stage, inputs, new StagedOutput(join(folder, FILES)), checkpoints);
      const artefacts: OutputAbout['artefacts'] = {};
      const parts: OutputAbout['parts'] = {};
      for (const [name, value] of entriesOf(given)) {
        const passedOn = this.#live.refOf(value);
        artefacts[name] = passedOn ?? { key, name };
        if (passedOn) continue;
        this.#live.add({ key, name }, value);
        parts[name] = await saveArtefact({ gpu, formats }, folder, name, value);
      }
      return { stage: stage.stage.name, artefacts, parts };
    });
    await files.remove();
    return entry;
  }

  /** Runs the stage's function and checks that it gave all artefacts and that the device is alive. */
  async #perform(
    { id, stage, seed, options }: KeyedStage,
    inputs: Partial<Artefacts>,
    output: OutputFolder,
    checkpoints?: CheckpointPolicy,
  ): Promise<Partial<Artefacts>> {
    const { gpu, signal } = this.#options;
    const settings = { seed, report: this.#stageReport(id), output, checkpoints };
    const running = stage.run(gpu, inputs, options, settings);
    const given = await orStopped(signal, checkpoints, orDeviceLost(gpu, running));
    await gpu.settle();
    const missing = stageGives(stage, options).filter((name) => !given[name]);
    if (missing.length) throw new Error(`stage ${id} did not give ${missing.join(', ')}`);
    return given;
  }

  /** Commits what `fill` writes into the folder of a new entry. */
  async #commit(
    key: string,
    identity: unknown,
    fill: (folder: string) => Promise<Omit<OutputAbout, 'run' | 'seconds' | 'peakBytes'>>,
  ): Promise<Entry> {
    const { plan, gpu, store } = this.#options;
    return store.commit(key, async (folder) => {
      const start = performance.now();
      const filled = await fill(folder);
      const seconds = (performance.now() - start) / 1000;
      const about: OutputAbout = { ...filled, run: plan.name, seconds, peakBytes: gpu.peakBytes };
      return { identity, about };
    });
  }

  /** A forced stage has the key of the saved one, so it must give the same bytes. */
  #compare({ id }: KeyedStage, before: Entry, now: Entry): void {
    const outputOf = (entry: Entry) => ({ parts: aboutOf(entry).parts, outputs: entry.record.files });
    const [first, ...more] = differences(outputOf(before), outputOf(now));
    if (first === undefined || this.#differed) return;
    this.#differed = true; // later stages differ because of this one
    const rest = more.length ? ` and ${more.length} more` : '';
    const text = `ran again, and ${first}${rest} came out with other bytes than before: this adapter does not repeat its results`;
    this.#options.report({ event: 'warn', stage: id, text });
  }

  #warnOfDamage(key: string, reason: string, movedTo?: string): void {
    const stage = this.#byKey.get(key)?.id ?? this.#options.gpu.ledger.stage;
    const where = movedTo === undefined ? '' : `; it was moved to ${movedTo}`;
    const text = `saved work is damaged and not used (${reason})${where}`;
    this.#options.report({ event: 'warn', stage, text });
  }

  #reportCached({ id, key }: KeyedStage, entry: Entry): void {
    this.#options.resolved(id, 'cached', 0);
    this.#options.report({ event: 'cached', stage: id, key, seconds: aboutOf(entry).seconds });
  }

  #reportStart(stage: KeyedStage): number {
    const { stages, report } = this.#options;
    report({ event: 'stage', stage: stage.id, index: stages.indexOf(stage), count: stages.length });
    return performance.now();
  }

  #reportDone(stage: string, start: number): number {
    const seconds = (performance.now() - start) / 1000;
    this.#options.report({ event: 'done', stage, seconds });
    return seconds;
  }

  #stageReport(stage: string): Report {
    const { report } = this.#options;
    const meter = new RateMeter();
    return {
      progress: ({ step, steps, metrics = {}, from }) =>
        report({ event: 'progress', stage, step, steps, metrics, from, ...meter.mark(step, steps) }),
      note: (text) => report({ event: 'note', stage, text }),
      warn: (text) => report({ event: 'warn', stage, text }),
    };
  }

  /** Books the transfers of `work` on `stage` in the ledger. */
  async #onLedger<T>(stage: string, work: () => Promise<T>): Promise<T> {
    const { ledger } = this.#options.gpu;
    const before = ledger.stage;
    ledger.stage = stage;
    try {
      return await work();
    } finally {
      ledger.stage = before;
    }
  }
}

/** The artefacts that are there, typed. */
function entriesOf(artefacts: Partial<Artefacts>): [ArtefactName, Artefacts[ArtefactName]][] {
  return Object.entries(artefacts).filter(([, value]) => value) as [ArtefactName, Artefacts[ArtefactName]][];
}
