/**
 * Random numbers by counter: a pure function of (seed, purpose, step, index), so that nothing needs to be saved to
 * resume. The hash is pcg4d (Jarzynski and Olano, "Hash Functions for GPU Rendering", JCGT 9(3), 2020); the WGSL twin
 * is `shared/random.wgsl`.
 */
export function pcg4d(x: number, y: number, z: number, w: number): [number, number, number, number] {
  let [a, b, c, d] = [x, y, z, w].map((v) => (Math.imul(v, 1664525) + 1013904223) >>> 0);
  const mix = () => {
    a = (a + Math.imul(b, d)) >>> 0;
    b = (b + Math.imul(c, a)) >>> 0;
    c = (c + Math.imul(a, b)) >>> 0;
    d = (d + Math.imul(b, c)) >>> 0;
  };
  mix();
  a ^= a >>> 16;
  b ^= b >>> 16;
  c ^= c >>> 16;
  d ^= d >>> 16;
  [a, b, c, d] = [a >>> 0, b >>> 0, c >>> 0, d >>> 0];
  mix();
  return [a, b, c, d];
}

/** Purposes of random numbers: two purposes never share numbers. The values are part of the reproducible results. */
export const RANDOM = {
  view: 1,
  init: 2,
  noise: 3,
  relocate: 4,
  split: 5,
  crop: 6,
  background: 7,
  dropout: 8,
  patch: 9,
} as const;

/** The purpose of a random number: `view`, `init`, `noise`, `relocate`, `split`, `crop`, `background`, `dropout` or `patch`. */
export type RandomPurpose = keyof typeof RANDOM;

/** Four numbers in [0, 1), 24 bits each: a pure function of its arguments (u32), the same as `random4` of `#include <random>`. */
export function random4(seed: number, purpose: RandomPurpose, step: number, index: number): number[] {
  return pcg4d(seed, RANDOM[purpose], step, index).map((word) => (word >>> 8) / 2 ** 24);
}

/** An integer in [0, count), a pure function of its arguments. */
export function randomInt(
  count: number,
  seed: number,
  purpose: RandomPurpose,
  step: number,
  index = 0,
): number {
  return Math.min(count - 1, Math.floor(random4(seed, purpose, step, index)[0] * count));
}

/** A permutation of 0…count−1 for one epoch (Fisher and Yates), a pure function of its arguments. */
export function permutation(count: number, seed: number, purpose: RandomPurpose, epoch: number): number[] {
  const order = Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = randomInt(i + 1, seed, purpose, epoch, i);
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}
