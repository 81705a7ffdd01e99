import type { Dispatch } from './dispatch.ts';
import { dispatchElements } from './dispatch.ts';
import {
  ACTIVATION,
  ACTIVATION_BACKWARD,
  type Activation,
  activationConstants,
  passGradient,
} from './elementwise.ts';
import { type Graph, type Op, size, type Tensor, tensor } from './graph.ts';
import { type LinearWeights, transposedWeight } from './linear.ts';
import { dispatchProduct, matrix } from './product.ts';
import { dispatchVec4Product } from './product-vec4.ts';

/** The two linear layers of an MLP; fc1's outputs are fc2's inputs. */
export interface MlpWeights {
  fc1: LinearWeights;
  fc2: LinearWeights;
}

/**
 * fc2(gelu(fc1(x))) + residual: x [..., inputs] → [..., outputs]. The residual has the shape of the result. On GPUs the products
 * compute the activation and its derivative, where all widths are multiples of 4.
 */
export function mlp(
  graph: Graph,
  label: string,
  x: Tensor,
  { fc1, fc2 }: MlpWeights,
  kind: Activation,
  residual: Tensor,
): Tensor {
  const width = x.shape[x.shape.length - 1];
  const shape = [...x.shape.slice(0, -1), fc2.outputs];
  const isChain =
    width === fc1.inputs && fc1.outputs === fc2.inputs && residual.shape.join() === shape.join();
  if (!isChain) {
    throw new Error(
      `${label}: rows of ${width}, layers ${fc1.inputs}→${fc1.outputs} and ${fc2.inputs}→${fc2.outputs} and the residual ` +
        `[${residual.shape}] do not fit`,
    );
  }
  const inner = [...x.shape.slice(0, -1), fc1.outputs];
  const rows = size(x) / width;
  const constants = activationConstants(kind);
  const output = tensor(label, shape, [x, residual]);
  const hidden = tensor(`${label}/fc1`, inner);
  const activated = tensor(`${label}/activation`, inner);
  const gradHidden = tensor(`${label}/grad/fc1`, inner);
  const gradActivated = tensor(`${label}/grad/activation`, inner);
  const common = {
    label,
    inputs: [x, residual],
    output,
    auxiliary: [hidden, activated],
    saved: [hidden],
    passesGradient: residual,
  };
  const forward1 = { label: `${label}/fc1`, rows, columns: fc1.outputs, depth: fc1.inputs, bias: fc1.bias };
  const forward2 = { label: `${label}/fc2`, rows, columns: fc2.outputs, depth: fc2.inputs, bias: fc2.bias };
  const backward1 = { label: `${label}/fc1/backward`, rows, columns: fc1.inputs, depth: fc1.outputs };
  const backward2 = { label: `${label}/fc2/backward`, rows, columns: fc2.inputs, depth: fc2.outputs };

  const separate: Op = {
    ...common,
    scratch: [gradActivated, gradHidden],
    async forward(context) {
      const { buffer } = context;
      return [
        await dispatchProduct(context, {
          ...forward1,
          a: matrix(buffer(x), fc1.inputs),
          b: await transposedWeight(context, forward1.label, fc1),
          c: matrix(buffer(hidden), fc1.outputs),
        }),
        await dispatchElements(context, ACTIVATION, {
          constants,
          sizes: { count: size(hidden) },
          bindings: { x: buffer(hidden), y: buffer(activated) },
        }),
        await dispatchProduct(context, {
          ...forward2,
          a: matrix(buffer(activated), fc2.inputs),
          b: await transposedWeight(context, forward2.label, fc2),
          c: matrix(buffer(output), fc2.outputs),
          residual: buffer(residual),
        }),
      ];
    },
    async backward(context) {
      const { buffer, gradient, accumulates, sharesGradient } = context;
      const dispatches: Dispatch[] = [];
      if (x.requiresGrad) {
        dispatches.push(
          await dispatchProduct(context, {
            ...backward2,
            a: matrix(gradient(output), fc2.outputs),
            b: matrix(fc2.weight, fc2.inputs),
            c: matrix(buffer(gradActivated), fc2.inputs),
          }),
          await dispatchElements(context, ACTIVATION_BACKWARD, {
            constants,
            sizes: { count: size(hidden), accumulates: 0 },
            bindings: { x: buffer(hidden), gradY: buffer(gradActivated), gradX: buffer(gradHidden) },
          }),
          await dispatchProduct(context, {
            ...backward1,
            a: matrix(buffer(gradHidden), fc1.outputs),
            b: matrix(fc1.weight, fc1.inputs),
            c: matrix(gradient(x), fc1.inputs),
            accumulates: accumulates(x),
          }),
        );
      }
      if (residual.requiresGrad && !sharesGradient(residual)) {
        const isSecondUse = residual === x;
        dispatches.push(await passGradient(context, output, residual, isSecondUse || accumulates(residual)));
      }
      return dispatches;
    },
  };

  const fused: Op = {
    ...common,
    scratch: [gradHidden],
    async forward(context) {
      const { buffer } = context;
      const activation = { role: 'apply', constants, preactivation: buffer(hidden) } as const;
      return [
        await dispatchVec4Product(context, {
          ...forward1,
          a: buffer(x),
          b: fc1.weight,
          bIsTransposed: true,
          c: buffer(activated),
          activation,
        }),
        await dispatchVec4Product(context, {
          ...forward2,
          a: buffer(activated),
          b: fc2.weight,
          bIsTransposed: true,
          c: buffer(output),
          residual: buffer(residual),
        }),
      ];
    },
    async backward(context) {
      const { buffer, gradient, accumulates, sharesGradient } = context;
      const dispatches: Dispatch[] = [];
      if (x.requiresGrad) {
        const activation = { role: 'differentiate', constants, preactivation: buffer(hidden) } as const;
        dispatches.push(
          await dispatchVec4Product(context, {
            ...backward2,
            a: gradient(output),
            b: fc2.weight,
            bIsTransposed: false,
            c: buffer(gradHidden),
            activation,
          }),
          await dispatchVec4Product(context, {
            ...backward1,
            a: buffer(gradHidden),
            b: fc1.weight,
            bIsTransposed: false,
            c: gradient(x),
            accumulates: accumulates(x),
          }),
        );
      }
      if (residual.requiresGrad && !sharesGradient(residual)) {
        const isSecondUse = residual === x;
        dispatches.push(await passGradient(context, output, residual, isSecondUse || accumulates(residual)));
      }
      return dispatches;
    },
  };

  const isVec4 = [fc1.inputs, fc1.outputs, fc2.outputs].every((count) => count % 4 === 0);
  return graph.add({ ...separate, forTarget: (target) => (target !== 'cpu' && isVec4 ? fused : separate) });
}
