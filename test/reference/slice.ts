export function sliced(x: Float64Array, offset: number, length: number): Float64Array {
  return x.slice(offset, offset + length);
}

/** Each row of x [rows, width], divided by its length. */
export function unitRows(x: ArrayLike<number>, width: number): number[] {
  return Array.from(x, (value, i) => {
    const start = i - (i % width);
    return value / Math.hypot(...Array.from({ length: width }, (_, column) => x[start + column]));
  });
}
