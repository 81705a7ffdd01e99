/** Exclusive prefix sums of u32 values, wrapping at 2^32, and their total. */
export function scan(values: ArrayLike<number>): { before: Uint32Array; total: number } {
  const before = new Uint32Array(values.length);
  let total = 0;
  for (let i = 0; i < values.length; i++) {
    before[i] = total;
    total = (total + values[i]) >>> 0;
  }
  return { before, total };
}
