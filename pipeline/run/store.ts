import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ArtefactFormat, ArtefactFormats } from '../../stages/artefacts/formats.ts';
import type { ArtefactName, Artefacts } from '../../stages/stage.ts';
import { type Gpu, InputError } from '../../wgsl/core/index.ts';
import { type RunFolder, STORE } from './folder.ts';
import type { StageIdentity } from './lineage.ts';

export interface MadeBy {
  splatline: string;
  adapter: string;
}

/** What lies in `stages/<id>/stage.json`. */
export interface StageRecord {
  seed: number;
  /** The stage itself last, after everything that ran before it. */
  lineage: StageIdentity[];
  /** What made it, in words: the adapter and the version of this package. */
  madeBy: MadeBy;
  /** The folder of each artefact, below `stages/`; an artefact that was passed on lies with the stage that made it. */
  artefacts: Partial<Record<ArtefactName, string>>;
}

/** Keeps stage outputs in the run's own folder. The one module that decides where they live. */
export class StageStore {
  readonly #gpu: Gpu;
  readonly #folder: RunFolder;
  readonly #formats: ArtefactFormats;
  /** Where each value of this run is kept, so that nothing is kept twice. */
  readonly #kept = new Map<object, string>();
  readonly #loaded = new Map<string, object>();

  constructor(gpu: Gpu, folder: RunFolder, formats: ArtefactFormats) {
    this.#gpu = gpu;
    this.#folder = folder;
    this.#formats = formats;
  }

  /** The record of a stage, or undefined where no run has left one. Throws InputError for one that is damaged. */
  static async record(root: string, id: string): Promise<StageRecord | undefined> {
    const file = join(root, STORE, id, 'stage.json');
    const text = await readFile(file, 'utf8').catch(() => undefined);
    if (text === undefined) return undefined;
    try {
      const record = JSON.parse(text) as StageRecord;
      if (Array.isArray(record.lineage) && typeof record.artefacts === 'object') return record;
    } catch {
      // told below
    }
    throw new InputError(`this is not a saved stage; run again from ${id}`, file);
  }

  /** Saves what a stage gave. Outputs of the stages in `after` were made from an earlier one, and go. */
  async save(
    id: string,
    record: Omit<StageRecord, 'artefacts'>,
    artefacts: Partial<Artefacts>,
    after: readonly string[],
  ): Promise<void> {
    const aside = await this.#folder.aside();
    const places: Partial<Record<ArtefactName, string>> = {};
    for (const [name, value] of entriesOf(artefacts)) {
      const kept = this.#kept.get(value);
      if (kept) {
        places[name] = kept;
        continue;
      }
      const format = this.#formats[name] as ArtefactFormat<typeof value>;
      if (!format.save) throw new Error(`stage ${id} gave ${name}, which only a source stage can give`);
      const folder = join(aside, name);
      await mkdir(folder);
      await format.save(this.#gpu, value, folder);
      places[name] = `${id}/${name}`;
      this.#kept.set(value, places[name]);
    }
    const whole: StageRecord = { ...record, artefacts: places };
    await writeFile(join(aside, 'stage.json'), `${JSON.stringify(whole, null, 2)}\n`);
    for (const other of after) await this.#folder.remove(join(STORE, other));
    await this.#folder.place(aside, join(STORE, id));
  }

  /** Loads one artefact that a stage gave. What two names share is loaded once. */
  async load<Name extends ArtefactName>(id: string, name: Name): Promise<Artefacts[Name]> {
    const place = (await StageStore.record(this.#folder.root, id))?.artefacts[name];
    const format: ArtefactFormat<Artefacts[Name]> = this.#formats[name];
    if (!place || !format.load)
      throw new InputError(`${id} left no ${name}; run again from ${id}`, this.#folder.root);
    const value =
      (this.#loaded.get(place) as Artefacts[Name] | undefined) ??
      (await format.load(this.#gpu, join(this.#folder.root, STORE, place)));
    this.#loaded.set(place, value);
    this.#kept.set(value, place);
    return value;
  }
}

/** The artefacts that are there, typed. */
export function entriesOf(artefacts: Partial<Artefacts>): [ArtefactName, Artefacts[ArtefactName]][] {
  return (Object.keys(artefacts) as ArtefactName[]).flatMap((name) => {
    const value = artefacts[name];
    return value ? [[name, value] as [ArtefactName, typeof value]] : [];
  });
}
