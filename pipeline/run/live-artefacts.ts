import type { ArtefactFormats } from '../../stages/artefacts/formats.ts';
import type { ArtefactName, Artefacts } from '../../stages/stage.ts';
import { type ArtefactRef, refId } from './entries.ts';

type Value = Artefacts[ArtefactName];
type Live = ReadonlyMap<string, { ref: ArtefactRef; value: Value }>;

/** The artefacts whose GPU buffers are alive. A buffer is freed when no artefact that is kept has it. */
export class LiveArtefacts {
  readonly #formats: ArtefactFormats;
  #live: Live = new Map();

  constructor(formats: ArtefactFormats) {
    this.#formats = formats;
  }

  get<Name extends ArtefactName>(ref: { key: string; name: Name }): Artefacts[Name] | undefined {
    return this.#live.get(refId(ref))?.value as Artefacts[Name] | undefined;
  }

  /** The artefact that this value is; undefined for a new value. */
  refOf(value: Value): ArtefactRef | undefined {
    return [...this.#live.values()].find((live) => live.value === value)?.ref;
  }

  add(ref: ArtefactRef, value: Value): void {
    this.#replace(new Map(this.#live).set(refId(ref), { ref, value }));
  }

  /** Frees all artefacts but these. */
  keepOnly(wanted: Iterable<ArtefactRef>): void {
    const ids = new Set([...wanted].map(refId));
    this.#replace(new Map([...this.#live].filter(([id]) => ids.has(id))));
  }

  #replace(next: Live): void {
    const before = this.#live;
    this.#live = next;
    const kept = new Set(this.#buffers(next));
    for (const buffer of this.#buffers(before)) if (!kept.has(buffer)) buffer.destroy();
  }

  #buffers(live: Live): GPUBuffer[] {
    const of = <Name extends ArtefactName>(name: Name, value: Artefacts[Name]) =>
      this.#formats[name].buffers(value);
    return [...live.values()].flatMap(({ ref, value }) => of(ref.name, value));
  }
}
