import { derived, type Graph, size, type Value } from './graph.ts';
import { lowerElements } from './lower.ts';

const FORWARD = new URL('./pool.wgsl', import.meta.url);
const BACKWARD = new URL('./pool-backward.wgsl', import.meta.url);

/** One token of each sequence: [B, length, width] → [B, width]; `places` u32 [B] says which (below length). */
export function pool(graph: Graph, label: string, tokens: Value, places: GPUBuffer): Value {
  const [batch, length, width] = tokens.shape;
  const output = derived(label, [batch, width], [tokens]);
  return graph.add({
    label,
    inputs: [tokens],
    output,
    async forward(at) {
      const bindings = { tokens: at.buffer(tokens), places, pooled: at.buffer(output) };
      const sizes = { count: size(output), width, length };
      return [await lowerElements(at, { source: FORWARD, sizes, bindings })];
    },
    async backward(at) {
      const bindings = { gradPooled: at.gradient(output), places, gradTokens: at.gradient(tokens) };
      const sizes = { accumulates: Number(at.adds(tokens)), count: size(tokens), width, length };
      return [await lowerElements(at, { source: BACKWARD, sizes, bindings })];
    },
  });
}
