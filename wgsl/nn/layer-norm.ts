import { derived, type Graph, internal, size, type Value } from './graph.ts';
import { lowerRows } from './lower.ts';

const FORWARD = new URL('./layer-norm.wgsl', import.meta.url);
const BACKWARD = new URL('./layer-norm-backward.wgsl', import.meta.url);

export interface LayerNormWeights {
  /** [width] */
  weight: GPUBuffer;
  /** [width] */
  bias: GPUBuffer;
  epsilon: number;
}

/** Layer normalisation over the last axis (Ba et al. 2016), with the biased variance as PyTorch's. */
export function layerNorm(graph: Graph, label: string, x: Value, weights: LayerNormWeights): Value {
  const width = x.shape[x.shape.length - 1];
  const rows = size(x) / width;
  const output = derived(label, x.shape, [x]);
  const statistics = internal(`${label}/statistics`, [rows, 2]);
  const { weight, bias, epsilon } = weights;
  return graph.add({
    label,
    inputs: [x],
    output,
    extras: [statistics],
    saved: [x, statistics],
    async forward(at) {
      const bindings = {
        x: at.buffer(x),
        weight,
        bias,
        y: at.buffer(output),
        statistics: at.buffer(statistics),
      };
      return [await lowerRows(at, { source: FORWARD, sizes: { rows, width, epsilon }, bindings })];
    },
    async backward(at) {
      const bindings = {
        x: at.buffer(x),
        weight,
        statistics: at.buffer(statistics),
        gradY: at.gradient(output),
        gradX: at.gradient(x),
      };
      const sizes = { rows, width, accumulates: Number(at.adds(x)) };
      return [await lowerRows(at, { source: BACKWARD, sizes, bindings })];
    },
  });
}
