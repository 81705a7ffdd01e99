/** The numbers of the pairs in order of the low `bits` of their keys, ties in their original order. */
export function stableOrder(keys: Uint32Array, bits: number): number[] {
  const masked = bits === 32 ? keys : keys.map((key) => key % 2 ** bits);
  return Array.from(keys, (_, i) => i).sort((a, b) => masked[a] - masked[b] || a - b);
}
