import { pcg4d, RANDOM } from '../../wgsl/core/index.ts';

/** For each waiting row, the row in whose share of the summed weights a random point falls. Exact. */
export function drawSources(
  weights: ArrayLike<number>,
  waiting: number[],
  seed: number,
  step: number,
): number[] {
  const total = Array.from(weights).reduce((sum, weight) => sum + weight, 0);
  return waiting.map((row) => {
    const word = pcg4d(seed, RANDOM.relocate, step, row)[0];
    let point = Number((BigInt(word) * BigInt(total)) >> 32n);
    let source = 0;
    while (point >= weights[source]) point -= weights[source++];
    return source;
  });
}
