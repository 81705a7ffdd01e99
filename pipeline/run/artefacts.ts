import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { ArtefactFormat, ArtefactFormats } from '../../stages/artefacts/formats.ts';
import type { ArtefactName, Artefacts } from '../../stages/stage.ts';
import type { Gpu } from '../../wgsl/core/index.ts';
import { hashFile } from '../hash.ts';
import type { Entry } from '../store/entry.ts';
import { ARTEFACTS, type ArtefactRef, type PartHashes } from './entries.ts';

/** The ledger's names for work between stages: loading saved artefacts, and writing the result files. */
export const RESUME = '(resume)';
export const RESULTS = '(results)';

/** Counts the transfers of `work` under `stage` in the ledger. */
export async function countedUnder<T>({ ledger }: Gpu, stage: string, work: () => Promise<T>): Promise<T> {
  const before = ledger.stage;
  ledger.stage = stage;
  try {
    return await work();
  } finally {
    ledger.stage = before;
  }
}

type Value = Artefacts[ArtefactName];
type Live = ReadonlyMap<string, { ref: ArtefactRef; value: Value }>;

/** The artefacts whose GPU buffers are alive. A buffer is freed when no live artefact uses it. */
export class LiveArtefacts {
  readonly #formats: ArtefactFormats;
  #live: Live = new Map();

  constructor(formats: ArtefactFormats) {
    this.#formats = formats;
  }

  get(ref: ArtefactRef): Value | undefined {
    return this.#live.get(refId(ref))?.value;
  }

  /** The live artefact with this value; undefined for a new value. */
  refOf(value: Value): ArtefactRef | undefined {
    return [...this.#live.values()].find((live) => live.value === value)?.ref;
  }

  add(ref: ArtefactRef, value: Value): void {
    this.#replace(new Map(this.#live).set(refId(ref), { ref, value }));
  }

  /** Frees all artefacts but these. */
  keepOnly(wanted: readonly ArtefactRef[]): void {
    const ids = new Set(wanted.map(refId));
    this.#replace(new Map([...this.#live].filter(([id]) => ids.has(id))));
  }

  #replace(next: Live): void {
    const before = this.#live;
    this.#live = next;
    const stillUsed = new Set(this.#buffers(next));
    for (const buffer of this.#buffers(before)) if (!stillUsed.has(buffer)) buffer.destroy();
  }

  #buffers(live: Live): GPUBuffer[] {
    return [...live.values()].flatMap(({ ref, value }) => this.#formats[ref.name].buffers(value as never));
  }
}

function refId({ key, name }: ArtefactRef): string {
  return `${key} ${name}`;
}

/** Writes one artefact below `draft` and hashes its parts. */
export async function saveArtefact<Name extends ArtefactName>(
  { gpu, formats }: { gpu: Gpu; formats: ArtefactFormats },
  draft: string,
  name: Name,
  value: Artefacts[Name],
): Promise<PartHashes> {
  const format: ArtefactFormat<Artefacts[Name]> = formats[name];
  if (!format.save) throw new Error(`${name} cannot be saved: only a source stage can produce it`);
  const folder = join(draft, ARTEFACTS, name);
  await mkdir(folder, { recursive: true });
  await format.save(gpu, value, folder);
  const hashes: PartHashes = {};
  for (const { name: part, file, start, end } of (await format.parts?.(folder)) ?? []) {
    hashes[part] = (await hashFile(join(folder, file), start, end)).sha256;
  }
  return hashes;
}

/** Loads one artefact of an entry. */
export async function loadArtefact<Name extends ArtefactName>(
  { gpu, formats }: { gpu: Gpu; formats: ArtefactFormats },
  { folder }: Entry,
  name: Name,
): Promise<Artefacts[Name]> {
  const format: ArtefactFormat<Artefacts[Name]> = formats[name];
  if (!format.load) throw new Error(`${name} cannot be loaded: only a source stage can produce it`);
  return format.load(gpu, join(folder, ARTEFACTS, name));
}
