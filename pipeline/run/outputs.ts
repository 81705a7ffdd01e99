import { createHash } from 'node:crypto';
import { mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import type { ArtefactFormat, ArtefactFormats } from '../../stages/artefacts/formats.ts';
import type { SavedPart } from '../../stages/artefacts/saved-part.ts';
import type { ArtefactName, Artefacts } from '../../stages/stage.ts';
import type { Gpu } from '../../wgsl/core/index.ts';
import type { Entry } from '../store/record.ts';
import type { Store } from '../store/store.ts';

/** Where an artefact lies: with the stage that made it, not with those that passed it on. */
export interface ArtefactRef {
  /** The maker's key. */
  key: string;
  name: ArtefactName;
}

/** sha256 by tensor, picture or file. */
export type PartHashes = Record<string, string>;

/** What a store entry says of a stage's work, beside its files. */
export interface OutputAbout {
  /** The stage's name. */
  stage: string;
  seconds: number;
  /** Most bytes that were alive on the GPU, from the start of the run that made it to the end of the stage. */
  peakBytes: number;
  artefacts: Partial<Record<ArtefactName, ArtefactRef>>;
  /** Of the artefacts that lie here. */
  parts: Partial<Record<ArtefactName, PartHashes>>;
  /** Keys of other entries that this one needs. */
  refers: string[];
}

/** Folders of an entry. */
export const ARTEFACTS = 'artefacts';
export const FILES = 'files';

export function aboutOf(entry: Entry): OutputAbout {
  return entry.record.about as OutputAbout;
}

/** Paths of an entry's files for people, as they stand in the run's folder. */
export function filesOf(entry: Entry): string[] {
  return pathsBelow(entry, FILES);
}

export function pathsBelow(entry: Entry, folder: string): string[] {
  const paths = entry.record.files.map(({ path }) => path);
  return paths.filter((path) => path.startsWith(`${folder}/`)).map((path) => path.slice(folder.length + 1));
}

/** Saves artefacts into a draft of a store entry, and loads them from a finished one. */
export class Outputs {
  readonly #gpu: Gpu;
  readonly #store: Store;
  readonly #formats: ArtefactFormats;

  constructor(gpu: Gpu, store: Store, formats: ArtefactFormats) {
    this.#gpu = gpu;
    this.#store = store;
    this.#formats = formats;
  }

  /** Writes one artefact below `folder`, and hashes its parts. */
  async save<Name extends ArtefactName>(
    folder: string,
    name: Name,
    value: Artefacts[Name],
  ): Promise<PartHashes> {
    const format: ArtefactFormat<Artefacts[Name]> = this.#formats[name];
    if (!format.save) throw new Error(`${name} cannot be kept: only a source stage can give it`);
    const below = join(folder, ARTEFACTS, name);
    await mkdir(below, { recursive: true });
    await format.save(this.#gpu, value, below);
    const parts = (await format.parts?.(below)) ?? [];
    const hashes: PartHashes = {};
    for (const part of parts) hashes[part.name] = await hashPart(below, part);
    return hashes;
  }

  /** Undefined where what lies there is not what was saved. */
  async load<Name extends ArtefactName>(entry: Entry, name: Name): Promise<Artefacts[Name] | undefined> {
    const format: ArtefactFormat<Artefacts[Name]> = this.#formats[name];
    if (!format.load) throw new Error(`${name} cannot be loaded: only a source stage can give it`);
    const paths = pathsBelow(entry, `${ARTEFACTS}/${name}`).map((path) => `${ARTEFACTS}/${name}/${path}`);
    if (!paths.length || (await this.#store.check(entry, paths)).length) return undefined;
    return format.load(this.#gpu, join(entry.folder, ARTEFACTS, name));
  }
}

async function hashPart(folder: string, { file, start, end }: SavedPart): Promise<string> {
  const hash = createHash('sha256');
  const handle = await open(join(folder, file));
  try {
    if (end > start) {
      for await (const chunk of handle.createReadStream({ start, end: end - 1, autoClose: false })) {
        hash.update(chunk as Uint8Array);
      }
    }
  } finally {
    await handle.close();
  }
  return hash.digest('hex');
}
