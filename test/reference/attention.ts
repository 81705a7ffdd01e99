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

/**
 * One head in double precision, and its gradients by the chain rule: q [queries, width], k and v [keys, width], gradOutput as q.
 * `logSums` are the logarithms of the sums of exponentials of each query's logits.
 */
export function attentionHead(
  [q, k, v]: readonly Float64Array[],
  width: number,
  gradOutput: Float64Array,
): Record<'output' | 'logSums' | 'gradQ' | 'gradK' | 'gradV', Float64Array> {
  const [queries, keys] = [q.length / width, k.length / width];
  const dot = (a: Float64Array, i: number, b: Float64Array, j: number) => {
    let sum = 0;
    for (let c = 0; c < width; c++) sum += a[i * width + c] * b[j * width + c];
    return sum;
  };
  const tokens = (data: Float64Array) => ({ data, row: width, offset: 0 });
  const shape = { batch: 1, heads: 1, queries, keys, width };
  const output = attention(tokens(q), tokens(k), tokens(v), shape);
  const logSums = new Float64Array(queries);
  const [gradQ, gradK, gradV] = [q, k, v].map(({ length }) => new Float64Array(length));
  for (let i = 0; i < queries; i++) {
    const logits = Array.from({ length: keys }, (_, j) => dot(q, i, k, j) / Math.sqrt(width));
    const largest = Math.max(...logits);
    logSums[i] = largest + Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - largest), 0));
    const weights = softmax(logits);
    const gradWeights = weights.map((_, j) => dot(gradOutput, i, v, j));
    const mean = weights.reduce((sum, weight, j) => sum + weight * gradWeights[j], 0);
    weights.forEach((weight, j) => {
      const gradLogit = (weight * (gradWeights[j] - mean)) / Math.sqrt(width);
      for (let c = 0; c < width; c++) {
        gradV[j * width + c] += weight * gradOutput[i * width + c];
        gradQ[i * width + c] += gradLogit * k[j * width + c];
        gradK[j * width + c] += gradLogit * q[i * width + c];
      }
    });
  }
  return { output, logSums, gradQ, gradK, gradV };
}
