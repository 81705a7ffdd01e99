import type { Constants } from '../core/index.ts';
import { type Dispatch, defineElementwise, dispatchElements } from './dispatch.ts';
import { type BackwardContext, type Graph, size, type Tensor, tensor } from './graph.ts';

export const ACTIVATION = defineElementwise('nn/activation', new URL('./activation.wgsl', import.meta.url), {
  GELU_KIND: 0,
});
export const ACTIVATION_BACKWARD = defineElementwise(
  'nn/activation-backward',
  new URL('./activation-backward.wgsl', import.meta.url),
  { GELU_KIND: 0 },
);
export const ADD = defineElementwise('nn/add', new URL('./add.wgsl', import.meta.url));
export const ADD_BACKWARD = defineElementwise(
  'nn/add-backward',
  new URL('./add-backward.wgsl', import.meta.url),
);

/** `gelu` is exact, with erf; `quick_gelu` is OpenAI's x·σ(1.702x); `gelu_tanh` is torch's approximation with tanh. */
export const ACTIVATIONS = ['gelu', 'quick_gelu', 'gelu_tanh'] as const;
export type Activation = (typeof ACTIVATIONS)[number];

/** The constants of `#include <gelu>`. */
export function activationConstants(kind: Activation): Constants {
  return { GELU_KIND: ACTIVATIONS.indexOf(kind) };
}

/** gelu(x), elementwise, of any shape. */
export function activation(graph: Graph, label: string, x: Tensor, kind: Activation): Tensor {
  const output = tensor(label, x.shape, [x]);
  const count = size(x);
  const constants = activationConstants(kind);
  return graph.add({
    label,
    inputs: [x],
    output,
    saved: [x],
    async forward(context) {
      const bindings = { x: context.buffer(x), y: context.buffer(output) };
      return [await dispatchElements(context, ACTIVATION, { constants, sizes: { count }, bindings })];
    },
    async backward(context) {
      const { buffer, gradient, accumulates } = context;
      const bindings = { x: buffer(x), gradY: gradient(output), gradX: gradient(x) };
      const sizes = { count, accumulates: Number(accumulates(x)) };
      return [await dispatchElements(context, ACTIVATION_BACKWARD, { constants, sizes, bindings })];
    },
  });
}

/** x + y, elementwise. Both have the same shape; there is no broadcasting. */
export function add(graph: Graph, label: string, x: Tensor, y: Tensor): Tensor {
  if (x.shape.join() !== y.shape.join()) {
    throw new Error(`${label} adds tensors of one shape, got [${x.shape}] and [${y.shape}]`);
  }
  const output = tensor(label, x.shape, [x, y]);
  return graph.add({
    label,
    inputs: [x, y],
    output,
    async forward(context) {
      const bindings = { x: context.buffer(x), y: context.buffer(y), sum: context.buffer(output) };
      return [await dispatchElements(context, ADD, { sizes: { count: size(x) }, bindings })];
    },
    async backward(context) {
      const inputs = [x, y].filter(({ requiresGrad }) => requiresGrad);
      return Promise.all(
        inputs.map((input, i) => {
          const isSecondUse = i === 1 && x === y;
          return passGradient(context, output, input, isSecondUse || context.accumulates(input));
        }),
      );
    },
  });
}

/** dL/dinput (+)= dL/doutput: the gradient of a summand. */
export function passGradient(
  context: BackwardContext,
  output: Tensor,
  input: Tensor,
  accumulates: boolean,
): Promise<Dispatch> {
  return dispatchElements(context, ADD_BACKWARD, {
    sizes: { count: size(input), accumulates: Number(accumulates) },
    bindings: { gradSum: context.gradient(output), gradX: context.gradient(input) },
  });
}
