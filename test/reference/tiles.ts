/** The number that the 16 bits of an f16 mean. */
export function fromHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return exponent ? sign * 2 ** (exponent - 15) * (1 + fraction / 1024) : sign * fraction * 2 ** -24;
}

/** Index of an entry of a matrix of `columns` columns, stored as contiguous row-major tiles of 16 × 16, themselves row-major. */
export function tiledIndex(row: number, column: number, columns: number): number {
  const tile = Math.floor(row / 16) * Math.ceil(columns / 16) + Math.floor(column / 16);
  return 256 * tile + 16 * (row % 16) + (column % 16);
}

/** A matrix [rows, columns] from its tiles in f16, which start at `offset`. */
export function untile(halves: Uint16Array, rows: number, columns: number, offset = 0): Float64Array {
  return Float64Array.from({ length: rows * columns }, (_, i) =>
    fromHalf(halves[offset + tiledIndex(Math.floor(i / columns), i % columns, columns)]),
  );
}

/** The power of two that brings the largest magnitude of a row into [1/2, 1) when the row is divided by it; 0 for zeros. */
export function rowScale(row: ArrayLike<number>): number {
  const largest = Array.from(row).reduce((maximum, value) => Math.max(maximum, Math.abs(value)), 0);
  return largest > 0 ? 2 ** Math.min(Math.max(Math.floor(Math.log2(largest)) + 1, -100), 126) : 0;
}
