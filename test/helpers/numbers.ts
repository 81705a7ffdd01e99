/** `count` pseudo-random u32 words, the same for the same seed (splitmix32). */
export function mixed(count: number, seed: number): Uint32Array {
  let state = Math.imul(seed + 1, 0x85ebca6b);
  return new Uint32Array(count).map(() => {
    state = (state + 0x9e3779b9) | 0;
    let word = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    word = Math.imul(word ^ (word >>> 15), 0x735a2d97);
    return word ^ (word >>> 15);
  });
}

/** `count` numbers in [low, high), as f32 holds them. */
export function uniform(count: number, seed: number, low = 0, high = 1): Float32Array {
  return Float32Array.from(mixed(count, seed), (word) => low + ((high - low) * word) / 2 ** 32);
}
