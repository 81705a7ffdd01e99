import { gridFor } from '../core/index.ts';
import { derived, type Graph, size, type Value } from './graph.ts';
import { kernelOf } from './rows.ts';

/** One token of each sequence: [B, length, width] → [B, width]; `places` u32 [B] says which (below length). */
export function pool(graph: Graph, label: string, tokens: Value, places: GPUBuffer): Value {
  const [batch, length, width] = tokens.shape;
  const output = derived(label, [batch, width], [tokens]);
  const shape = { WIDTH: width, LENGTH: length };
  return graph.add({
    label,
    inputs: [tokens],
    output,
    async forward(at) {
      const { threads } = at.tuning;
      const kernel = await kernelOf(at, 'pool', { THREADS: threads, COUNT: size(output), ...shape });
      const bound = kernel.bind({ tokens: at.buffer(tokens), places, pooled: at.buffer(output) });
      return [{ bound, groups: gridFor(size(output), threads) }];
    },
    async backward(at) {
      const { threads } = at.tuning;
      const constants = { THREADS: threads, COUNT: size(tokens), ...shape, ACCUMULATE: at.adds(tokens) };
      const kernel = await kernelOf(at, 'pool_backward', constants);
      const bound = kernel.bind({
        grad_pooled: at.gradient(output),
        places,
        grad_tokens: at.gradient(tokens),
      });
      return [{ bound, groups: gridFor(size(tokens), threads) }];
    },
  });
}
