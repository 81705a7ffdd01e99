import type { KernelTarget } from '../core/index.ts';
import type { Dispatch, DispatchContext } from './dispatch.ts';

/** A symbolic tensor of a graph: f32, row-major, contiguous. `Program.compile` assigns its buffer. */
export interface Tensor {
  label: string;
  shape: readonly number[];
  /** Whether the backward pass computes the gradient with respect to it, as torch's `requires_grad`. */
  requiresGrad: boolean;
}

/** A new tensor computed from `inputs`. Without inputs, as for statistics and scratch space, no gradient flows through it. */
export function tensor(label: string, shape: readonly number[], inputs: readonly Tensor[] = []): Tensor {
  return { label, shape, requiresGrad: inputs.some((input) => input.requiresGrad) };
}

/** The number of elements. */
export function size({ shape }: { shape: readonly number[] }): number {
  return shape.reduce((count, length) => count * length, 1);
}

/** The context of an op's forward dispatches. */
export interface ForwardContext extends DispatchContext {
  /** The buffer of one of the op's tensors. */
  buffer(tensor: Tensor): GPUBuffer;
}

/** The context of an op's backward dispatches. */
export interface BackwardContext extends ForwardContext {
  /** dL/dtensor. The output's gradient is complete; the op writes its inputs' gradients, or adds to them (`accumulates`). */
  gradient(tensor: Tensor): GPUBuffer;
  /** Whether an earlier op of the backward pass has written this input's gradient, so that this op must add to it. */
  accumulates(tensor: Tensor): boolean;
  /** Whether this input's gradient is the output's gradient, in one buffer, so that there is nothing to do (`Op.passesGradient`). */
  sharesGradient(tensor: Tensor): boolean;
}

/**
 * One operation of a graph: its forward kernels, and those of its vector–Jacobian product, which maps the gradient of the
 * output to gradients of the inputs. Weights are constants: an op holds their buffers and computes no gradient for them.
 */
export interface Op {
  /** `kind/role`, for labels and errors. */
  label: string;
  inputs: readonly Tensor[];
  output: Tensor;
  /** Further tensors that forward writes: statistics, probabilities. */
  auxiliary?: readonly Tensor[];
  /** Those of inputs, output and auxiliary that backward reads, as torch's `save_for_backward`. */
  saved?: readonly Tensor[];
  /** Tensors that only backward uses. */
  scratch?: readonly Tensor[];
  /** An input whose gradient equals the output's (a residual). Both share a buffer where nothing else needs either. */
  passesGradient?: Tensor;
  /** The op in the form for a target, where targets differ in what they save; `this` unless given. */
  forTarget?(target: KernelTarget): Op;
  forward(context: ForwardContext): Promise<Dispatch[]>;
  /** Computes the gradients of the inputs that require one. Called only if there is such an input. */
  backward(context: BackwardContext): Promise<Dispatch[]>;
}

/** A list of ops in the order of their execution. */
export class Graph {
  readonly ops: Op[] = [];
  readonly inputs: Tensor[] = [];
  /** Tensors with buffers of their own. */
  readonly constants = new Map<Tensor, GPUBuffer>();

  /** A tensor that the caller fills. */
  input(label: string, shape: readonly number[], requiresGrad: boolean): Tensor {
    const input = { label, shape, requiresGrad };
    this.inputs.push(input);
    return input;
  }

  /** A tensor that exists already: it has no gradient, and `Program.compile` assigns no buffer to it. */
  constant(label: string, shape: readonly number[], buffer: GPUBuffer): Tensor {
    const constant = { label, shape, requiresGrad: false };
    this.constants.set(constant, buffer);
    return constant;
  }

  /** The graph with every op in the form for a target. */
  forTarget(target: KernelTarget): Graph {
    const graph = new Graph();
    graph.inputs.push(...this.inputs);
    for (const [tensor, buffer] of this.constants) graph.constants.set(tensor, buffer);
    graph.ops.push(...this.ops.map((op) => op.forTarget?.(target) ?? op));
    return graph;
  }

  /** Appends an op and returns its output. */
  add(op: Op): Tensor {
    this.ops.push(op);
    return op.output;
  }
}
