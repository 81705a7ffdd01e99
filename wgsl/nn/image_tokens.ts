import { gridFor } from '../core/index.ts';
import { derived, type Graph, size, type Value } from './graph.ts';
import { kernelOf } from './rows.ts';

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
  const shape = { WIDTH: width, PATCHES: perPicture };
  return graph.add({
    label,
    inputs: [patches],
    output,
    async forward(at) {
      const { threads } = at.tuning;
      const kernel = await kernelOf(at, 'image_tokens', { THREADS: threads, COUNT: size(output), ...shape });
      const bound = kernel.bind({
        patches: at.buffer(patches),
        class_embedding: weights.classEmbedding,
        positions: weights.positions,
        tokens: at.buffer(output),
      });
      return [{ bound, groups: gridFor(size(output), threads) }];
    },
    async backward(at) {
      const { threads } = at.tuning;
      const constants = { THREADS: threads, COUNT: size(patches), ...shape, ACCUMULATE: at.adds(patches) };
      const kernel = await kernelOf(at, 'image_tokens_backward', constants);
      const bound = kernel.bind({ grad_tokens: at.gradient(output), grad_patches: at.gradient(patches) });
      return [{ bound, groups: gridFor(size(patches), threads) }];
    },
  });
}
