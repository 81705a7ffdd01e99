import { defineRowwise, dispatchRows } from './dispatch.ts';
import { type Graph, type Tensor, tensor } from './graph.ts';

export const COSINE_SIMILARITY = defineRowwise(
  'nn/cosine-similarity',
  new URL('./cosine-similarity.wgsl', import.meta.url),
);
export const COSINE_SIMILARITY_BACKWARD = defineRowwise(
  'nn/cosine-similarity-backward',
  new URL('./cosine-similarity-backward.wgsl', import.meta.url),
);

/**
 * Cosine similarity of each row of x [B, width] with a target of unit length → [B]. `targets` is [width] if `isShared`, one
 * target for all rows, otherwise [B, width]. Targets are constants: they have no gradient.
 */
export function cosineSimilarity(
  graph: Graph,
  label: string,
  x: Tensor,
  targets: GPUBuffer,
  isShared: boolean,
): Tensor {
  const [rows, width] = x.shape;
  if (x.shape.length !== 2) throw new Error(`${label} takes a tensor [B, width], got [${x.shape}]`);
  const output = tensor(label, [rows], [x]);
  const sizes = { rows, width, targetStride: isShared ? 0 : width };
  return graph.add({
    label,
    inputs: [x],
    output,
    saved: [x],
    async forward(context) {
      const bindings = { x: context.buffer(x), targets, cosines: context.buffer(output) };
      return [await dispatchRows(context, COSINE_SIMILARITY, { sizes, bindings })];
    },
    async backward(context) {
      const { buffer, gradient, accumulates } = context;
      const use = {
        sizes: { ...sizes, accumulates: Number(accumulates(x)) },
        bindings: { x: buffer(x), targets, gradCosines: gradient(output), gradX: gradient(x) },
      };
      return [await dispatchRows(context, COSINE_SIMILARITY_BACKWARD, use)];
    },
  });
}
