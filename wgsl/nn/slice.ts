import { type Dispatch, type DispatchContext, defineElementwise, dispatchElements } from './dispatch.ts';
import { type Graph, size, type Tensor, tensor } from './graph.ts';

export const SLICE = defineElementwise('nn/slice', new URL('./slice.wgsl', import.meta.url));
export const SLICE_BACKWARD = defineElementwise(
  'nn/slice-backward',
  new URL('./slice-backward.wgsl', import.meta.url),
);

/** A part of a buffer of f32, in elements. */
export interface Part {
  offset: number;
  length: number;
}

/** Copies a part of x to y. */
export function dispatchSlice(
  context: DispatchContext,
  { offset, length }: Part,
  bindings: { x: GPUBuffer; y: GPUBuffer },
): Promise<Dispatch> {
  return dispatchElements(context, SLICE, { sizes: { count: length, offset }, bindings });
}

/** Adds gradY to a part of gradX. */
export function dispatchAddToSlice(
  context: DispatchContext,
  { offset, length }: Part,
  bindings: { gradY: GPUBuffer; gradX: GPUBuffer },
): Promise<Dispatch> {
  const sizes = { accumulates: 1, count: length, first: offset, offset, length };
  return dispatchElements(context, SLICE_BACKWARD, { sizes, bindings });
}

/** Entries first … first + count − 1 along the first axis of x. */
export function slice(graph: Graph, label: string, x: Tensor, first: number, count: number): Tensor {
  const [, ...rest] = x.shape;
  const output = tensor(label, [count, ...rest], [x]);
  const stride = size({ shape: rest });
  const part = { offset: first * stride, length: count * stride };
  return graph.add({
    label,
    inputs: [x],
    output,
    async forward(context) {
      const { buffer } = context;
      return [await dispatchSlice(context, part, { x: buffer(x), y: buffer(output) })];
    },
    async backward(context) {
      const bindings = { gradY: context.gradient(output), gradX: context.gradient(x) };
      if (context.accumulates(x)) return [await dispatchAddToSlice(context, part, bindings)];
      const sizes = { accumulates: 0, count: size(x), first: 0, ...part };
      return [await dispatchElements(context, SLICE_BACKWARD, { sizes, bindings })];
    },
  });
}
