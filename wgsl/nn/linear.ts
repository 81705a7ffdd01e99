import type { DispatchContext } from './dispatch.ts';
import { passGradient } from './elementwise.ts';
import { type Graph, size, type Tensor, tensor } from './graph.ts';
import { dispatchProduct, type Matrix, matrix, prefersRows, transposed } from './product.ts';
import { transposedCopy } from './transpose.ts';

/** Weights of a linear layer on the GPU. */
export interface LinearWeights {
  /** [outputs, inputs], as torch.nn.Linear stores it. */
  weight: GPUBuffer;
  /** [outputs] */
  bias?: GPUBuffer;
  inputs: number;
  outputs: number;
}

/** y = x·Wᵀ + b (+ residual): x [..., inputs] → [..., outputs]. The residual has the shape of y. */
export function linear(
  graph: Graph,
  label: string,
  x: Tensor,
  weights: LinearWeights,
  residual?: Tensor,
): Tensor {
  const { weight, bias, inputs, outputs } = weights;
  const width = x.shape[x.shape.length - 1];
  if (width !== inputs) throw new Error(`${label} takes rows of ${inputs}, got ${width}`);
  const shape = [...x.shape.slice(0, -1), outputs];
  const rows = size(x) / inputs;
  if (residual && residual.shape.join() !== shape.join()) {
    throw new Error(`${label} outputs [${shape}]; its residual is [${residual.shape}]`);
  }
  const reads = residual ? [x, residual] : [x];
  const output = tensor(label, shape, reads);
  return graph.add({
    label,
    inputs: reads,
    output,
    passesGradient: residual,
    async forward(context) {
      const { buffer } = context;
      const product = await dispatchProduct(context, {
        label,
        rows,
        columns: outputs,
        depth: inputs,
        a: matrix(buffer(x), inputs),
        b: await transposedWeight(context, label, weights),
        c: matrix(buffer(output), outputs),
        bias,
        residual: residual && buffer(residual),
      });
      return [product];
    },
    async backward(context) {
      const { gradient, accumulates, sharesGradient } = context;
      const dispatches = [];
      if (x.requiresGrad) {
        dispatches.push(
          await dispatchProduct(context, {
            label: `${label}/backward`,
            rows,
            columns: inputs,
            depth: outputs,
            a: matrix(gradient(output), outputs),
            b: matrix(weight, inputs),
            c: matrix(gradient(x), inputs),
            accumulates: accumulates(x),
          }),
        );
      }
      if (residual?.requiresGrad && !sharesGradient(residual)) {
        const isSecondUse = residual === x;
        dispatches.push(await passGradient(context, output, residual, isSecondUse || accumulates(residual)));
      }
      return dispatches;
    },
  });
}

/** Wᵀ: a view of the weight, or a copy where the product is faster with one. */
export async function transposedWeight(
  context: DispatchContext,
  label: string,
  { weight, inputs, outputs }: LinearWeights,
): Promise<Matrix> {
  if (!prefersRows(context, inputs, outputs)) return transposed(matrix(weight, inputs));
  return matrix(await transposedCopy(context, label, weight, outputs, inputs), outputs);
}
