import { attention } from '../../wgsl/nn/attention.ts';
import type { Graph, Tensor } from '../../wgsl/nn/graph.ts';
import { type LayerNormWeights, layerNorm } from '../../wgsl/nn/layer-norm.ts';
import { type LinearWeights, linear } from '../../wgsl/nn/linear.ts';
import { mlp } from '../../wgsl/nn/mlp.ts';
import { pool } from '../../wgsl/nn/tokens.ts';
import type { LayerNames } from './tensors.ts';
import type { Tower } from './towers.ts';
import type { WeightLoader } from './weights.ts';

/** One pre-norm layer: x += out(attention(norm1(x))); x += fc2(act(fc1(norm2(x)))). */
export interface LayerWeights {
  norm1: LayerNormWeights;
  /** q, k and v together: [3·width, width]. */
  qkv?: LinearWeights;
  /** The same in two parts, for a layer that outputs one token per sequence. */
  q?: LinearWeights;
  kv?: LinearWeights;
  out: LinearWeights;
  norm2: LayerNormWeights;
  fc1: LinearWeights;
  fc2: LinearWeights;
}

/** `pooled`: for a layer that outputs one token per sequence. */
export async function loadLayer(
  load: WeightLoader,
  { norm1, q, k, v, out, norm2, fc1, fc2 }: LayerNames,
  { epsilon }: Tower,
  pooled: boolean,
): Promise<LayerWeights> {
  const projections = pooled
    ? { q: await load.linear(q), kv: await load.linear(k, v) }
    : { qkv: await load.linear(q, k, v) };
  return {
    norm1: await load.layerNorm(norm1, epsilon),
    ...projections,
    out: await load.linear(out),
    norm2: await load.layerNorm(norm2, epsilon),
    fc1: await load.linear(fc1),
    fc2: await load.linear(fc2),
  };
}

/**
 * Applies one layer to x [batch, tokens, width]. With `tokenIndices`, u32 [batch], outputs only
 * that token of each sequence, [batch, width]: the other tokens of the last layer need no queries, output projection or MLP.
 */
export function transformerLayer(
  graph: Graph,
  label: string,
  x: Tensor,
  weights: LayerWeights,
  tower: Tower,
  { causal = false, tokenIndices }: { causal?: boolean; tokenIndices?: GPUBuffer },
): Tensor {
  const { width, heads } = tower;
  const [batch, tokens] = x.shape;
  const normal = layerNorm(graph, `${label}/norm1`, x, weights.norm1);
  const common = { batch, heads, width, keys: tokens };
  let attended: Tensor;
  let stream = x;
  if (tokenIndices && weights.q && weights.kv) {
    const kv = linear(graph, `${label}/kv`, normal, weights.kv);
    const query = pool(graph, `${label}/query`, normal, tokenIndices);
    const q = linear(graph, `${label}/q`, query, weights.q);
    const [k, v] = [0, width].map((offset) => ({ tensor: kv, offset }));
    const spec = { ...common, q: { tensor: q, offset: 0 }, k, v, queries: 1 };
    attended = attention(graph, `${label}/attention`, spec);
    stream = pool(graph, `${label}/stream`, x, tokenIndices);
  } else if (weights.qkv && !tokenIndices) {
    const qkv = linear(graph, `${label}/qkv`, normal, weights.qkv);
    const [q, k, v] = [0, width, 2 * width].map((offset) => ({ tensor: qkv, offset }));
    attended = attention(graph, `${label}/attention`, { ...common, q, k, v, queries: tokens, causal });
  } else
    throw new Error(
      `${label}: the weights are those of a layer ${tokenIndices ? 'without' : 'with'} token indices`,
    );
  stream = linear(graph, `${label}/out`, attended, weights.out, stream);
  const normal2 = layerNorm(graph, `${label}/norm2`, stream, weights.norm2);
  return mlp(graph, `${label}/mlp`, normal2, weights, tower.activation, stream);
}
