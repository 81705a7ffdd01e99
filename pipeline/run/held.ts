import type { ArtefactFormats } from '../../stages/artefacts/formats.ts';
import type { ArtefactName, Artefacts } from '../../stages/stage.ts';
import { entriesOf } from './store.ts';

/** The artefacts that a run holds. Frees the buffers of those that it lets go, unless another holds them too. */
export class HeldArtefacts {
  readonly #formats: ArtefactFormats;
  #held: Partial<Artefacts> = {};
  readonly #givers = new Map<ArtefactName, string>();

  constructor(formats: ArtefactFormats) {
    this.#formats = formats;
  }

  get all(): Partial<Artefacts> {
    return { ...this.#held };
  }

  /** The stage that gave the artefact last. */
  giverOf(name: ArtefactName): string {
    return this.#givers.get(name) ?? '';
  }

  /** Takes what a stage gave, in place of what had the same names. */
  take(given: Partial<Artefacts>, stage: string): void {
    for (const [name] of entriesOf(given)) this.#givers.set(name, stage);
    this.#replace({ ...this.#held, ...given });
  }

  /** Lets go of all but these. */
  keepOnly(wanted: ReadonlySet<ArtefactName>): void {
    this.#replace(Object.fromEntries(entriesOf(this.#held).filter(([name]) => wanted.has(name))));
  }

  #replace(next: Partial<Artefacts>): void {
    const before = this.#held;
    this.#held = next;
    const held = new Set(this.#buffers(next));
    for (const buffer of this.#buffers(before)) if (!held.has(buffer)) buffer.destroy();
  }

  #buffers(artefacts: Partial<Artefacts>): GPUBuffer[] {
    const of = <Name extends ArtefactName>(name: Name, value: Artefacts[Name]) =>
      this.#formats[name].buffers(value);
    return entriesOf(artefacts).flatMap(([name, value]) => of(name, value));
  }
}
