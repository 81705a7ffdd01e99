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
import type { CheckpointInterval } from '../file/plan.ts';
import type { KeyedStage } from '../keys/identity.ts';
import { explainDiskError } from '../store/disk-errors.ts';
import type { Draft } from '../store/draft.ts';
import type { Entry } from '../store/record.ts';
import { describeDamage, type Store } from '../store/store.ts';
import { differences } from './compare.ts';
import { Meter, type RunEvent } from './events.ts';
import { StagedOutput } from './folder.ts';
import { HeldArtefacts } from './held.ts';
import { Keeper } from './keeper.ts';
import type { How } from './manifest.ts';
import { type ArtefactRef, aboutOf, FILES, filesOf, type OutputAbout, Outputs } from './outputs.ts';
import { codeOfFormats, publicationOf } from './publication.ts';
import { RESULTS, RESUME } from './transfers.ts';
import { holderWords, orDeviceLost, orStopped } from './waiting.ts';

interface Tools {
  gpu: Gpu;
  store: Store;
  formats: ArtefactFormats;
  stages: readonly KeyedStage[];
  /** Ids of stages that are done again though their work is saved. */
  forced: ReadonlySet<string>;
  checkpoints: CheckpointInterval;
  signal?: AbortSignal;
  tell(event: RunEvent): void;
  /** Told how the run came by each stage's work. */
  how(stage: string, how: How, seconds: number): void;
  /** Told when a stage before the present one was done again, because its work was damaged or is gone. */
  redone(stage: KeyedStage, entry: Entry): Promise<void>;
}

/**
 * Comes by the work of a plan's stages: from the store, or by doing it, with their inputs held on the GPU only while
 * something wants them. Owns the buffers of all artefacts; stages own everything else that they make.
 */
export class Workshop {
  readonly #tools: Tools;
  readonly #byKey: ReadonlyMap<string, KeyedStage>;
  /** Forced stages that are not done yet. */
  readonly #forced: Set<string>;
  readonly #outputs: Outputs;
  readonly #held: HeldArtefacts;
  /** Whether a forced stage came out with other bytes than before. */
  #differed = false;

  constructor(tools: Tools) {
    const { gpu, store, formats, stages, forced } = tools;
    this.#tools = tools;
    this.#byKey = new Map(stages.map((stage) => [stage.key, stage]));
    this.#forced = new Set(forced);
    this.#outputs = new Outputs(gpu, store, formats);
    this.#held = new HeldArtefacts(formats);
    store.onDamaged = ({ key, reason, movedTo }) => this.#tellDamage(key, reason, movedTo);
  }

  /** The stage's work in the store, its files for people checked. */
  async entryOf(stage: KeyedStage): Promise<Entry> {
    const { id, key } = stage;
    const entry = this.#forced.has(id) ? undefined : await this.#found(key);
    if (!entry) return this.#make(stage);
    this.#tellCached(stage, entry);
    return entry;
  }

  /** An artefact as its maker gave it: held, loaded from the store, or made again where that is damaged. */
  async value<Name extends ArtefactName>(ref: { key: string; name: Name }): Promise<Artefacts[Name]> {
    const held = this.#held.get(ref);
    if (held) return held;
    const maker = this.#byKey.get(ref.key);
    if (!maker) throw new Error(`no stage has the key ${ref.key}`);
    if (maker.stage.source) {
      await this.read(maker);
      return this.#held.get(ref)!;
    }
    const entry = (await this.#found(ref.key)) ?? (await this.#makeAgain(maker));
    const place = aboutOf(entry).artefacts[ref.name];
    if (!place) throw new Error(`${maker.id} did not give ${ref.name}`);
    if (place.key !== ref.key || place.name !== ref.name) {
      return this.value({ key: place.key, name: place.name as Name });
    }
    const made = this.#held.get(ref);
    if (made) return made;
    const loaded = await this.#booked(RESUME, () => this.#outputs.load(entry, ref.name));
    if (loaded) {
      this.#held.hold(ref, loaded);
      return loaded;
    }
    await this.#setAside(ref.key, `${ref.name} is not as it was saved`);
    return this.value(ref);
  }

  /** The artefact written as a file for people, which is an entry of its own. */
  async publication(name: ArtefactName, ref: ArtefactRef, stage: string): Promise<Entry> {
    const { gpu, store, formats, signal } = this.#tools;
    const { key, identity } = publicationOf(name, ref, codeOfFormats());
    const there = await this.#found(key);
    if (there) return there;
    const value = await this.value(ref);
    const lock = await store.lock(key, { signal });
    try {
      const others = await this.#found(key);
      if (others) return others;
      const draft = await store.draft();
      return await finished(draft, async (files) => {
        const start = performance.now();
        await this.#booked(RESULTS, async () => {
          await publishInto(formats, gpu, name, value as Artefacts[typeof name], new StagedOutput(files));
          await gpu.settle();
        });
        const seconds = (performance.now() - start) / 1000;
        const nothing = { artefacts: {}, parts: {}, refers: [] };
        const about: OutputAbout = { stage, seconds, peakBytes: gpu.peakBytes, ...nothing };
        return draft.commit(key, { identity, about });
      });
    } finally {
      await lock.release();
    }
  }

  /** A source stage reads the user's files; nothing of it is kept. */
  async read(source: KeyedStage): Promise<void> {
    const { how } = this.#tools;
    const { id, key } = source;
    const start = this.#tellStart(source);
    const given = await this.#booked(id, () => this.#perform(source, {}, NO_OUTPUT));
    for (const [name, value] of entriesOf(given)) this.#held.hold({ key, name }, value);
    how(id, 'read', this.#tellDone(id, start));
  }

  /** Lets go of all artefacts but these. */
  keepOnly(wanted: Iterable<ArtefactRef>): void {
    this.#held.keepOnly(wanted);
  }

  /** Whether the stage's work is still to be done, as far as can be told without reading it. */
  async isMissing({ id, key, stage }: KeyedStage): Promise<boolean> {
    return !stage.source && (this.#forced.has(id) || !(await this.#tools.store.find(key)));
  }

  /** An entry whose files for people are as they were saved; a damaged one is set aside. */
  async #found(key: string): Promise<Entry | undefined> {
    const { store } = this.#tools;
    const entry = await store.find(key);
    if (!entry) return undefined;
    const files = filesOf(entry).map((path) => `${FILES}/${path}`);
    const [damage] = await store.check(entry, files);
    if (damage) {
      await this.#setAside(key, describeDamage(damage));
      return undefined;
    }
    await store.used(key);
    return entry;
  }

  async #makeAgain(stage: KeyedStage): Promise<Entry> {
    const entry = await this.#make(stage);
    await this.#tools.redone(stage, entry);
    return entry;
  }

  /** Does a stage's work, unless another process does: then it waits, and takes what that left. */
  async #make(stage: KeyedStage): Promise<Entry> {
    const { store, signal, tell, how } = this.#tools;
    const { id, key } = stage;
    const start = this.#tellStart(stage);
    const lock = await store.lock(key, {
      signal,
      onWait: (holder) =>
        tell({ event: 'wait', stage: id, text: `${holderWords(holder)} is doing it; waiting for that` }),
    });
    try {
      const before = this.#forced.has(id) ? await store.find(key) : undefined;
      const others = this.#forced.has(id) ? undefined : await this.#found(key);
      if (others) {
        this.#tellCached(stage, others);
        return others;
      }
      const entry = await this.#booked(id, () => this.#work(stage));
      if (before) this.#compare(stage, before, entry);
      this.#forced.delete(id);
      how(id, 'ran', this.#tellDone(id, start));
      return entry;
    } finally {
      await lock.release();
    }
  }

  async #work(stage: KeyedStage): Promise<Entry> {
    const { gpu, store, signal, checkpoints: rule } = this.#tools;
    const { key, id } = stage;
    const inputs: Partial<Artefacts> = {};
    for (const [name, giver] of stage.inputs) {
      Object.assign(inputs, { [name]: await this.value({ key: giver.key, name }) });
    }
    // A forced stage starts over; its own unfinished work is told from that of a run that was not forced.
    const files = store.checkpoints(this.#forced.has(id) ? forcedKey(key) : key);
    const keeper = new Keeper(files, { rule, signal });
    const draft = await store.draft();
    return finished(draft, async (output) => {
      const start = performance.now();
      const given = await this.#perform(stage, inputs, new StagedOutput(output), keeper);
      const artefacts: OutputAbout['artefacts'] = {};
      const parts: OutputAbout['parts'] = {};
      for (const [name, value] of entriesOf(given)) {
        const passedOn = this.#held.refOf(value);
        artefacts[name] = passedOn ?? { key, name };
        if (passedOn) continue;
        this.#held.hold({ key, name }, value);
        parts[name] = await this.#outputs.save(draft.folder, name, value);
      }
      const about: OutputAbout = {
        stage: stage.stage.name,
        seconds: (performance.now() - start) / 1000,
        peakBytes: gpu.peakBytes,
        artefacts,
        parts,
        refers: Object.values(artefacts).flatMap((ref) => (ref.key === key ? [] : [ref.key])),
      };
      const entry = await draft.commit(key, { identity: stage.identity, about });
      await files.remove();
      return entry;
    });
  }

  /** The stage's work, and the check that the device lived through it. */
  async #perform(
    { id, stage, seed, options }: KeyedStage,
    inputs: Partial<Artefacts>,
    output: OutputFolder,
    keeper?: Keeper,
  ): Promise<Partial<Artefacts>> {
    const { gpu, signal } = this.#tools;
    const settings = { seed, report: this.#report(id), output, checkpoints: keeper };
    const running = stage.run(gpu, inputs, options, settings);
    const given = await orStopped(signal, keeper, orDeviceLost(gpu, running));
    await gpu.settle();
    const missing = stageGives(stage, options).filter((name) => !given[name]);
    if (missing.length) throw new Error(`stage ${id} did not give ${missing.join(', ')}`);
    return given;
  }

  /** A forced stage has been done before: the same key must give the same bytes. */
  #compare({ id }: KeyedStage, before: Entry, now: Entry): void {
    const outputOf = (entry: Entry) => ({ parts: aboutOf(entry).parts, outputs: entry.record.files });
    const [first, ...more] = differences(outputOf(before), outputOf(now));
    if (first === undefined || this.#differed) return;
    this.#differed = true; // later stages differ because of this one
    const rest = more.length ? ` and ${more.length} more` : '';
    const text = `done again, ${first}${rest} came out with other bytes than before: this adapter does not repeat itself`;
    this.#tools.tell({ event: 'warn', stage: id, text });
  }

  async #setAside(key: string, reason: string): Promise<void> {
    this.#tellDamage(key, reason, await this.#tools.store.setAside(key, reason));
  }

  #tellDamage(key: string, reason: string, movedTo?: string): void {
    const stage = this.#byKey.get(key)?.id ?? this.#tools.gpu.ledger.stage;
    const where = movedTo === undefined ? '' : `; it was moved to ${movedTo}`;
    this.#tools.tell({
      event: 'warn',
      stage,
      text: `saved work is damaged and not used (${reason})${where}`,
    });
  }

  #tellCached({ id, key }: KeyedStage, entry: Entry): void {
    this.#tools.how(id, 'cached', 0);
    this.#tools.tell({ event: 'cached', stage: id, key, seconds: aboutOf(entry).seconds });
  }

  #tellStart(stage: KeyedStage): number {
    const { stages, tell } = this.#tools;
    tell({ event: 'stage', stage: stage.id, index: stages.indexOf(stage), count: stages.length });
    return performance.now();
  }

  #tellDone(stage: string, start: number): number {
    const seconds = (performance.now() - start) / 1000;
    this.#tools.tell({ event: 'done', stage, seconds });
    return seconds;
  }

  /** Transfers of `work` are booked on `stage`. */
  async #booked<T>(stage: string, work: () => Promise<T>): Promise<T> {
    const { ledger } = this.#tools.gpu;
    const before = ledger.stage;
    ledger.stage = stage;
    try {
      return await work();
    } finally {
      ledger.stage = before;
    }
  }

  #report(stage: string): Report {
    const { tell } = this.#tools;
    const meter = new Meter();
    return {
      progress: ({ step, steps, metrics = {}, from }) =>
        tell({ event: 'progress', stage, step, steps, metrics, ...meter.mark(step, steps, from) }),
      note: (text) => tell({ event: 'note', stage, text }),
      warn: (text) => tell({ event: 'warn', stage, text }),
    };
  }
}

/** A source stage only reads. */
const NO_OUTPUT: OutputFolder = {
  write: async (path) => Promise.reject(new Error(`a source stage cannot write ${path}`)),
};

function forcedKey(key: string): string {
  return createHash('sha256').update(`${key} forced`).digest('hex');
}

/** The artefacts that are there, typed. */
function entriesOf(artefacts: Partial<Artefacts>): [ArtefactName, Artefacts[ArtefactName]][] {
  return (Object.keys(artefacts) as ArtefactName[]).flatMap((name) => {
    const value = artefacts[name];
    return value ? [[name, value] as [ArtefactName, typeof value]] : [];
  });
}

async function publishInto<Name extends ArtefactName>(
  formats: ArtefactFormats,
  gpu: Gpu,
  name: Name,
  value: Artefacts[Name],
  output: OutputFolder,
): Promise<void> {
  await formats[name].publish?.(gpu, value, output);
}

/** What `work` makes of the draft, whose folder for files it is given; the draft goes where it fails. */
async function finished(draft: Draft, work: (files: string) => Promise<Entry>): Promise<Entry> {
  try {
    return await work(join(draft.folder, FILES));
  } catch (error) {
    await draft.discard();
    throw explainDiskError(error, draft.folder);
  }
}
