import { gridFor } from '../core/index.ts';
import { derived, type Graph, size, type Value } from './graph.ts';
import { kernelOf } from './rows.ts';

/** `gelu` is the exact form with erf, `quick_gelu` OpenAI's x·σ(1.702x): the names of Hugging Face configurations. */
export const ACTIVATIONS = ['gelu', 'quick_gelu'] as const;
export type Activation = (typeof ACTIVATIONS)[number];

export function activation(graph: Graph, label: string, x: Value, kind: Activation): Value {
  const output = derived(label, x.shape, [x]);
  const count = size(x);
  const exact = kind === 'gelu';
  return graph.add({
    label,
    inputs: [x],
    output,
    saved: [x],
    async forward(at) {
      const { threads } = at.tuning;
      const constants = { THREADS: threads, COUNT: count, GELU_IS_EXACT: exact };
      const kernel = await kernelOf(at, 'activation', constants);
      return [
        { bound: kernel.bind({ x: at.buffer(x), y: at.buffer(output) }), groups: gridFor(count, threads) },
      ];
    },
    async backward(at) {
      const { threads } = at.tuning;
      const constants = { THREADS: threads, COUNT: count, GELU_IS_EXACT: exact, ACCUMULATE: at.adds(x) };
      const kernel = await kernelOf(at, 'activation_backward', constants);
      const bound = kernel.bind({ x: at.buffer(x), grad_y: at.gradient(output), grad_x: at.gradient(x) });
      return [{ bound, groups: gridFor(count, threads) }];
    },
  });
}
