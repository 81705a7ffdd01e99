/** C = A·B in double precision; A [rows, depth], B [depth, columns], row-major. */
export function product(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  rows: number,
  columns: number,
  depth: number,
) {
  const c = new Float64Array(rows * columns);
  for (let m = 0; m < rows; m++) {
    for (let n = 0; n < columns; n++) {
      for (let k = 0; k < depth; k++) c[m * columns + n] += a[m * depth + k] * b[k * columns + n];
    }
  }
  return c;
}

/** x·Wᵀ + bias + residual, with W [outputs, inputs]. */
export function linear(
  x: ArrayLike<number>,
  weight: ArrayLike<number>,
  rows: number,
  inputs: number,
  outputs: number,
  bias?: ArrayLike<number>,
  residual?: ArrayLike<number>,
): Float64Array {
  const turned = Float64Array.from(
    { length: inputs * outputs },
    (_, i) => weight[(i % outputs) * inputs + Math.floor(i / outputs)],
  );
  return product(x, turned, rows, outputs, inputs).map(
    (sum, i) => sum + (bias?.[i % outputs] ?? 0) + (residual?.[i] ?? 0),
  );
}
