import { permutation } from '../../wgsl/core/index.ts';
import type { View } from '../artefacts/dataset.ts';

/** The view of a step: every epoch visits all views once, in an order of its own. */
export class ViewOrder {
  readonly #views: readonly View[];
  readonly #seed: number;
  #epoch = -1;
  #order: number[] = [];

  constructor(views: readonly View[], seed: number) {
    this.#views = views;
    this.#seed = seed;
  }

  at(step: number): View {
    const epoch = Math.floor(step / this.#views.length);
    if (epoch !== this.#epoch) {
      this.#order = permutation(this.#views.length, this.#seed, 'view', epoch);
      this.#epoch = epoch;
    }
    return this.#views[this.#order[step % this.#views.length]];
  }
}
