/** Which keys depend on which: from an entry to those that it is of no use without. */
export type Refers = ReadonlyMap<string, readonly string[]>;

/** Keys that must stay, with the reason in words, and everything that they refer to. */
export class Needs {
  readonly #refers: Refers;
  readonly #why = new Map<string, string>();

  constructor(refers: Refers) {
    this.#refers = refers;
  }

  add(keys: readonly string[], why: string): void {
    const queue = [...keys];
    for (let key = queue.pop(); key !== undefined; key = queue.pop()) {
      if (this.#why.has(key)) continue;
      this.#why.set(key, why);
      queue.push(...(this.#refers.get(key) ?? []));
    }
  }

  why(key: string): string | undefined {
    return this.#why.get(key);
  }
}

/**
 * The order in which to free: by last use, where the use of an entry is also one of all that it refers to, and an entry
 * before what it refers to, so that nothing is left without what it needs.
 */
export function freeingOrder(
  uses: ReadonlyMap<string, number>,
  refers: Refers,
): [key: string, usedAt: number][] {
  const usedAt = new Map(uses);
  const order: string[] = [];
  const seen = new Set<string>();
  const visit = (key: string): void => {
    if (seen.has(key)) return; // also ends a circle, which only a damaged record could hold
    seen.add(key);
    for (const next of refers.get(key) ?? []) visit(next);
    order.unshift(key); // after all that it refers to in the walk, so before them in the order
  };
  for (const key of uses.keys()) visit(key);
  for (const key of order) {
    for (const next of refers.get(key) ?? []) {
      const latest = Math.max(usedAt.get(next) ?? 0, usedAt.get(key) ?? 0);
      if (usedAt.has(next)) usedAt.set(next, latest);
    }
  }
  return order
    .flatMap((key): [string, number][] => (usedAt.has(key) ? [[key, usedAt.get(key) ?? 0]] : []))
    .sort((a, b) => a[1] - b[1]); // stable: what was used at one time stays in the order above
}
