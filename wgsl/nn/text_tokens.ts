import { gridFor } from '../core/index.ts';
import { type Graph, internal, size, type Value } from './graph.ts';
import { kernelOf } from './rows.ts';

export interface TextTokenWeights {
  /** [vocabulary, width] */
  embeddings: GPUBuffer;
  /** [length, width] */
  positions: GPUBuffer;
}

/** Ids u32 [T, length] in `ids` (each below the vocabulary's size) → tokens [T, length, width]. Ids have no gradient. */
export function textTokens(
  graph: Graph,
  label: string,
  ids: GPUBuffer,
  shape: readonly [texts: number, length: number, width: number],
  weights: TextTokenWeights,
): Value {
  const output = internal(label, shape);
  const [, length, width] = shape;
  return graph.add({
    label,
    inputs: [],
    output,
    async forward(at) {
      const { threads } = at.tuning;
      const constants = { THREADS: threads, COUNT: size(output), WIDTH: width, LENGTH: length };
      const kernel = await kernelOf(at, 'text_tokens', constants);
      const bound = kernel.bind({ ids, ...weights, tokens: at.buffer(output) });
      return [{ bound, groups: gridFor(size(output), threads) }];
    },
    async backward() {
      throw new Error(`${label}: ids have no gradient`);
    },
  });
}
