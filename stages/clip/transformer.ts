import { type Activation, activation } from '../../wgsl/nn/activation.ts';
import { attention } from '../../wgsl/nn/attention.ts';
import type { Graph, Value } from '../../wgsl/nn/graph.ts';
import { type LayerNormWeights, layerNorm } from '../../wgsl/nn/layer-norm.ts';
import { type LinearWeights, linear } from '../../wgsl/nn/linear.ts';
import { pool } from '../../wgsl/nn/pool.ts';
import type { TextConfig, VisionConfig } from './config.ts';
import type { WeightLoader } from './weights.ts';

export interface LayerShape {
  width: number;
  heads: number;
  activation: Activation;
  epsilon: number;
}

export function layerShape(tower: TextConfig | VisionConfig): LayerShape {
  return {
    width: tower.hidden_size,
    heads: tower.num_attention_heads,
    activation: tower.hidden_act,
    epsilon: tower.layer_norm_eps,
  };
}

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

export function loadLayer(
  load: WeightLoader,
  name: string,
  shape: LayerShape,
  pooled: boolean,
): LayerWeights {
  const { epsilon } = shape;
  const [q, k, v] = ['q', 'k', 'v'].map((role) => `${name}.self_attn.${role}_proj`);
  const projections = pooled ? { q: load.linear(q), kv: load.linear(k, v) } : { qkv: load.linear(q, k, v) };
  return {
    norm1: load.layerNorm(`${name}.layer_norm1`, epsilon),
    ...projections,
    out: load.linear(`${name}.self_attn.out_proj`),
    norm2: load.layerNorm(`${name}.layer_norm2`, epsilon),
    fc1: load.linear(`${name}.mlp.fc1`),
    fc2: load.linear(`${name}.mlp.fc2`),
  };
}

/**
 * Applies one layer to x [batch, tokens, width]. With `places`, outputs only that token of each sequence, [batch, width]: the
 * last layer's queries, output projection and MLP are not needed for the others.
 */
export function transformerLayer(
  graph: Graph,
  label: string,
  x: Value,
  weights: LayerWeights,
  shape: LayerShape,
  { causal = false, places }: { causal?: boolean; places?: GPUBuffer },
): Value {
  const { width, heads } = shape;
  const [batch, tokens] = x.shape;
  const normal = layerNorm(graph, `${label}/norm1`, x, weights.norm1);
  const common = { batch, heads, width, keys: tokens };
  let mixed: Value;
  let stream = x;
  if (places && weights.q && weights.kv) {
    const kv = linear(graph, `${label}/kv`, normal, weights.kv);
    const asking = pool(graph, `${label}/asking`, normal, places);
    const q = linear(graph, `${label}/q`, asking, weights.q);
    const [k, v] = [0, width].map((offset) => ({ value: kv, offset }));
    const spec = { ...common, q: { value: q, offset: 0 }, k, v, queries: 1 };
    mixed = attention(graph, `${label}/attention`, spec);
    stream = pool(graph, `${label}/stream`, x, places);
  } else if (weights.qkv && !places) {
    const qkv = linear(graph, `${label}/qkv`, normal, weights.qkv);
    const [q, k, v] = [0, width, 2 * width].map((offset) => ({ value: qkv, offset }));
    mixed = attention(graph, `${label}/attention`, { ...common, q, k, v, queries: tokens, causal });
  } else throw new Error(`${label}: the projections were loaded for the other kind of layer`);
  stream = linear(graph, `${label}/out`, mixed, weights.out, stream);
  const hidden = linear(
    graph,
    `${label}/fc1`,
    layerNorm(graph, `${label}/norm2`, stream, weights.norm2),
    weights.fc1,
  );
  const bent = activation(graph, `${label}/activation`, hidden, shape.activation);
  return linear(graph, `${label}/fc2`, bent, weights.fc2, stream);
}
