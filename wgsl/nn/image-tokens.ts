import { derived, type Graph, size, type Value } from './graph.ts';
import { lowerElements } from './lower.ts';

const FORWARD = new URL('./image-tokens.wgsl', import.meta.url);
const BACKWARD = new URL('./image-tokens-backward.wgsl', import.meta.url);

export interface ImageTokenWeights {
  /** [width] */
  classEmbedding: GPUBuffer;
  /** [1 + patches, width] */
  positions: GPUBuffer;
}

/** Embedded patches [B·patches, width] → tokens [B, 1 + patches, width] (Dosovitskiy et al. 2021, eq. 1). */
export function imageTokens(
  graph: Graph,
  label: string,
  patches: Value,
  batch: number,
  weights: ImageTokenWeights,
): Value {
  const [rows, width] = patches.shape;
  const perPicture = rows / batch;
  const output = derived(label, [batch, 1 + perPicture, width], [patches]);
  const shape = { width, patches: perPicture };
  return graph.add({
    label,
    inputs: [patches],
    output,
    async forward(at) {
      const bindings = {
        patches: at.buffer(patches),
        classEmbedding: weights.classEmbedding,
        positions: weights.positions,
        tokens: at.buffer(output),
      };
      const sizes = { count: size(output), ...shape };
      return [await lowerElements(at, { source: FORWARD, sizes, bindings })];
    },
    async backward(at) {
      const bindings = { gradTokens: at.gradient(output), gradPatches: at.gradient(patches) };
      const sizes = { accumulates: Number(at.adds(patches)), count: size(patches), ...shape };
      return [await lowerElements(at, { source: BACKWARD, sizes, bindings })];
    },
  });
}
