import type { ArtefactFormats } from '../../stages/artefacts/formats.ts';
import type { ArtefactName, Artefacts } from '../../stages/stage.ts';
import type { ArtefactRef } from './outputs.ts';

type Value = Artefacts[ArtefactName];
type Holding = ReadonlyMap<string, { ref: ArtefactRef; value: Value }>;

/** The artefacts whose buffers a run holds. Frees those that it lets go, unless another holds them too. */
export class HeldArtefacts {
  readonly #formats: ArtefactFormats;
  #held: Holding = new Map();

  constructor(formats: ArtefactFormats) {
    this.#formats = formats;
  }

  get<Name extends ArtefactName>(ref: { key: string; name: Name }): Artefacts[Name] | undefined {
    return this.#held.get(idOf(ref))?.value as Artefacts[Name] | undefined;
  }

  /** Where a value came from that a stage passes on as it is. */
  refOf(value: Value): ArtefactRef | undefined {
    return [...this.#held.values()].find((held) => held.value === value)?.ref;
  }

  hold(ref: ArtefactRef, value: Value): void {
    this.#replace(new Map(this.#held).set(idOf(ref), { ref, value }));
  }

  /** Lets go of all but these. */
  keepOnly(wanted: Iterable<ArtefactRef>): void {
    const ids = new Set([...wanted].map(idOf));
    this.#replace(new Map([...this.#held].filter(([id]) => ids.has(id))));
  }

  #replace(next: Holding): void {
    const before = this.#held;
    this.#held = next;
    const held = new Set(this.#buffers(next));
    for (const buffer of this.#buffers(before)) if (!held.has(buffer)) buffer.destroy();
  }

  #buffers(held: Holding): GPUBuffer[] {
    const of = <Name extends ArtefactName>(name: Name, value: Artefacts[Name]) =>
      this.#formats[name].buffers(value);
    return [...held.values()].flatMap(({ ref, value }) => of(ref.name, value));
  }
}

function idOf({ key, name }: ArtefactRef): string {
  return `${key} ${name}`;
}
