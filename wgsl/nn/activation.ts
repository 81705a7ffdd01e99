import { derived, type Graph, size, type Value } from './graph.ts';
import { lowerElements } from './lower.ts';

const FORWARD = new URL('./activation.wgsl', import.meta.url);
const BACKWARD = new URL('./activation-backward.wgsl', import.meta.url);

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
      const bindings = { x: at.buffer(x), y: at.buffer(output) };
      const constants = { GELU_IS_EXACT: exact };
      return [await lowerElements(at, { source: FORWARD, constants, sizes: { count }, bindings })];
    },
    async backward(at) {
      const bindings = { x: at.buffer(x), gradY: at.gradient(output), gradX: at.gradient(x) };
      const constants = { GELU_IS_EXACT: exact };
      const sizes = { count, accumulates: Number(at.adds(x)) };
      return [await lowerElements(at, { source: BACKWARD, constants, sizes, bindings })];
    },
  });
}
