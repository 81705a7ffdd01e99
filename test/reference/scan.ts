/** Exclusive prefix sums of u32 values, and their total, which saturates at 2^32 − 1. */
export function scan(values: ArrayLike<number>): { before: Uint32Array; total: number } {
  const before = new Uint32Array(values.length);
  let total = 0;
  for (let i = 0; i < values.length; i++) {
    before[i] = total;
    total = Math.min(2 ** 32 - 1, total + values[i]);
  }
  return { before, total };
}
