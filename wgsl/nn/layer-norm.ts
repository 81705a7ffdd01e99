import { defineRowwise, dispatchRows } from './dispatch.ts';
import { type Graph, size, type Tensor, tensor } from './graph.ts';

export const LAYER_NORM = defineRowwise('nn/layer-norm', new URL('./layer-norm.wgsl', import.meta.url));
export const LAYER_NORM_BACKWARD = defineRowwise(
  'nn/layer-norm-backward',
  new URL('./layer-norm-backward.wgsl', import.meta.url),
);

/** Weights of a layer normalisation on the GPU. */
export interface LayerNormWeights {
  /** [width] */
  weight: GPUBuffer;
  /** [width] */
  bias: GPUBuffer;
  /** Added to the variance. */
  epsilon: number;
}

/** Layer normalisation over the last axis (Ba et al. 2016) of x [..., width], with torch's biased variance. */
export function layerNorm(graph: Graph, label: string, x: Tensor, weights: LayerNormWeights): Tensor {
  const width = x.shape[x.shape.length - 1];
  const rows = size(x) / width;
  const output = tensor(label, x.shape, [x]);
  // Mean and reciprocal standard deviation.
  const statistics = tensor(`${label}/statistics`, [rows, 2]);
  const { weight, bias, epsilon } = weights;
  return graph.add({
    label,
    inputs: [x],
    output,
    auxiliary: [statistics],
    saved: [x, statistics],
    async forward(context) {
      const { buffer } = context;
      const bindings = { x: buffer(x), weight, bias, y: buffer(output), statistics: buffer(statistics) };
      return [await dispatchRows(context, LAYER_NORM, { sizes: { rows, width, epsilon }, bindings })];
    },
    async backward(context) {
      const { buffer, gradient, accumulates } = context;
      const use = {
        sizes: { rows, width, accumulates: Number(accumulates(x)) },
        bindings: {
          x: buffer(x),
          weight,
          statistics: buffer(statistics),
          gradY: gradient(output),
          gradX: gradient(x),
        },
      };
      return [await dispatchRows(context, LAYER_NORM_BACKWARD, use)];
    },
  });
}
