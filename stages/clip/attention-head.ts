import type { Arena } from '../../wgsl/core/index.ts';
import { attention } from '../../wgsl/nn/attention.ts';
import type { Graph, Tensor } from '../../wgsl/nn/graph.ts';
import { type LayerNormWeights, layerNorm } from '../../wgsl/nn/layer-norm.ts';
import { type LinearWeights, linear } from '../../wgsl/nn/linear.ts';
import { mlp } from '../../wgsl/nn/mlp.ts';
import { type LayerNames, VISION_NAMES } from './tensors.ts';
import type { Tower } from './towers.ts';
import type { WeightLoader } from './weights.ts';

/** Pooling by attention, as SigLIP's vision tower ends (Zhai et al. 2022, "multihead attention pooling"). */
export interface AttentionHeadWeights {
  /** The learnt query after its projection, [width]: it does not depend on the image. */
  query: Float32Array;
  kv: LinearWeights;
  out: LinearWeights;
  norm: LayerNormWeights;
  fc1: LinearWeights;
  fc2: LinearWeights;
}

export async function loadAttentionHead(
  load: WeightLoader,
  { q, k, v, out, norm2, fc1, fc2 }: LayerNames,
  { epsilon }: Tower,
): Promise<AttentionHeadWeights> {
  return {
    query: project(
      await load.floats(VISION_NAMES.probe),
      await load.floats(`${q}.weight`),
      await load.floats(`${q}.bias`),
    ),
    kv: await load.linear(k, v),
    out: await load.linear(out),
    norm: await load.layerNorm(norm2, epsilon),
    fc1: await load.linear(fc1),
    fc2: await load.linear(fc2),
  };
}

/** x [B, tokens, width] → [B, width]: y = out(attention(query, x)), then y + fc2(act(fc1(norm(y)))). `arena` owns the queries. */
export function attentionHead(
  graph: Graph,
  arena: Arena,
  label: string,
  x: Tensor,
  weights: AttentionHeadWeights,
  tower: Tower,
): Tensor {
  const { width, heads } = tower;
  const [batch, tokens] = x.shape;
  const queries = new Float32Array(batch * width);
  for (let b = 0; b < batch; b++) queries.set(weights.query, b * width);
  const q = graph.constant(`${label}/query`, [batch, width], arena.upload('queries', queries, 'weights'));
  const kv = linear(graph, `${label}/kv`, x, weights.kv);
  const attended = attention(graph, `${label}/attention`, {
    q: { tensor: q, offset: 0 },
    k: { tensor: kv, offset: 0 },
    v: { tensor: kv, offset: width },
    batch,
    heads,
    width,
    queries: 1,
    keys: tokens,
  });
  const pooled = linear(graph, `${label}/out`, attended, weights.out);
  const normal = layerNorm(graph, `${label}/norm`, pooled, weights.norm);
  return mlp(graph, `${label}/mlp`, normal, weights, tower.activation, pooled);
}

/** W·x + b, summed in double precision. */
function project(x: Float32Array, weight: Float32Array, bias: Float32Array): Float32Array {
  return bias.map((value, row) =>
    x.reduce((sum, factor, i) => sum + factor * weight[row * x.length + i], value),
  );
}
