/** Softmax of one row. */
export function softmax(row: readonly number[]): number[] {
  const largest = Math.max(...row);
  const powers = row.map((value) => Math.exp(value - largest));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((value) => value / sum);
}

/** q, k, v: rows of tokens, `row` apart, starting at `offset`. */
export interface Tokens {
  data: Float64Array;
  row: number;
  offset: number;
}

/** Multi-head attention in double precision, one query at a time → [batch·queries, width]. */
export function attention(
  q: Tokens,
  k: Tokens,
  v: Tokens,
  shape: { batch: number; heads: number; queries: number; keys: number; width: number; causal?: boolean },
): Float64Array {
  const { batch, heads, queries, keys, width, causal } = shape;
  const depth = width / heads;
  const at = ({ data, row, offset }: Tokens, token: number, channel: number) =>
    data[token * row + offset + channel];
  const output = new Float64Array(batch * queries * width);
  for (let b = 0; b < batch; b++) {
    for (let h = 0; h < heads; h++) {
      for (let i = 0; i < queries; i++) {
        const seen = causal ? i + 1 : keys;
        const scores = Array.from({ length: seen }, (_, j) => {
          let dot = 0;
          for (let c = h * depth; c < (h + 1) * depth; c++)
            dot += at(q, b * queries + i, c) * at(k, b * keys + j, c);
          return dot / Math.sqrt(depth);
        });
        softmax(scores).forEach((p, j) => {
          for (let c = h * depth; c < (h + 1) * depth; c++) {
            output[(b * queries + i) * width + c] += p * at(v, b * keys + j, c);
          }
        });
      }
    }
  }
  return output;
}
