/** (x − mean)/√(variance + ε)·weight + bias over rows of weight.length, in double precision. */
export function layerNorm(
  x: Float64Array,
  weight: ArrayLike<number>,
  bias: ArrayLike<number>,
  epsilon: number,
): Float64Array {
  const width = weight.length;
  const y = new Float64Array(x.length);
  for (let start = 0; start < x.length; start += width) {
    const row = x.subarray(start, start + width);
    const mean = row.reduce((sum, value) => sum + value, 0) / width;
    const variance = row.reduce((sum, value) => sum + (value - mean) ** 2, 0) / width;
    row.forEach((value, i) => {
      y[start + i] = ((value - mean) / Math.sqrt(variance + epsilon)) * weight[i] + bias[i];
    });
  }
  return y;
}
