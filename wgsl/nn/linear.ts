import { lowerAddTo } from './add.ts';
import { derived, type Graph, type Value } from './graph.ts';
import { bindProduct } from './product.ts';

/** Weights of a linear layer on the GPU. */
export interface LinearWeights {
  /** [out, in], as PyTorch stores it. */
  weight: GPUBuffer;
  /** [out] */
  bias?: GPUBuffer;
  inputs: number;
  outputs: number;
}

/** y = x·Wᵀ + b (+ residual): x [rows, in] → [rows, out]. The residual's gradient is y's. */
export function linear(
  graph: Graph,
  label: string,
  x: Value,
  weights: LinearWeights,
  residual?: Value,
): Value {
  const { inputs, outputs } = weights;
  const width = x.shape[x.shape.length - 1];
  if (width !== inputs) throw new Error(`${label} takes rows of ${inputs}, got ${width}`);
  const shape = [...x.shape.slice(0, -1), outputs];
  const rows = shape.slice(0, -1).reduce((count, length) => count * length, 1);
  if (residual && residual.shape.join() !== shape.join()) {
    throw new Error(`${label} gives [${shape}]; its residual is [${residual.shape}]`);
  }
  const reads = residual ? [x, residual] : [x];
  const output = derived(label, shape, reads);
  return graph.add({
    label,
    inputs: reads,
    output,
    handsOver: residual,
    async forward({ arena, tuning, buffer }) {
      const { weight, bias } = weights;
      const product = await bindProduct(arena, tuning, {
        label,
        rows,
        columns: outputs,
        depth: inputs,
        a: { buffer: buffer(x), outer: inputs, depth: 1 },
        b: { buffer: weight, outer: inputs, depth: 1 },
        c: { buffer: buffer(output), row: outputs },
        bias,
        residual: residual && buffer(residual),
      });
      return [product];
    },
    async backward(at) {
      const { arena, tuning, gradient, adds, handedOver } = at;
      const dispatches = [];
      if (x.needsGradient) {
        dispatches.push(
          await bindProduct(arena, tuning, {
            label: `${label}/backward`,
            rows,
            columns: inputs,
            depth: outputs,
            a: { buffer: gradient(output), outer: outputs, depth: 1 },
            b: { buffer: weights.weight, outer: 1, depth: inputs },
            c: { buffer: gradient(x), row: inputs },
            accumulate: adds(x),
          }),
        );
      }
      if (residual?.needsGradient && !handedOver(residual)) {
        const [from, to] = [gradient(output), gradient(residual)];
        dispatches.push(await lowerAddTo(at, from, to, rows * outputs, adds(residual) || residual === x));
      }
      return dispatches;
    },
  });
}
