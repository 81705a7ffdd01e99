import { pcg4d } from '../../wgsl/core/random.ts';

/** Random numbers of one case by counter: case 812 draws the same ones whether or not another case ran before it. */
export class Draw {
  readonly #seed: number;
  readonly #index: number;
  #count = 0;

  constructor(seed: number, index: number) {
    this.#seed = seed;
    this.#index = index;
  }

  /** In [0, 1). */
  next(): number {
    return pcg4d(this.#seed, this.#index, this.#count++, 0)[0] / 2 ** 32;
  }

  /** A whole number in [0, end). */
  below(end: number): number {
    return Math.floor(this.next() * end);
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)];
  }
}
