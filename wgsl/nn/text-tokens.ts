import { type Graph, internal, size, type Value } from './graph.ts';
import { lowerElements } from './lower.ts';

const KERNEL = new URL('./text-tokens.wgsl', import.meta.url);

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
      const sizes = { count: size(output), width, length };
      const bindings = { ids, ...weights, tokens: at.buffer(output) };
      return [await lowerElements(at, { source: KERNEL, sizes, bindings })];
    },
    async backward() {
      throw new Error(`${label}: ids have no gradient`);
    },
  });
}
