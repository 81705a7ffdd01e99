import type { Arena, Gpu } from '../core/index.ts';
import type { Dispatch } from './product.ts';
import type { Tuning } from './tuning.ts';

/** An intermediate tensor: f32, row-major, contiguous. Where it lies is the program's business (`Program.compile`). */
export interface Value {
  label: string;
  shape: readonly number[];
  /** Whether the gradient with respect to it is wanted: true for what depends on an input that wants one. */
  needsGradient: boolean;
}

export function size(value: { shape: readonly number[] }): number {
  return value.shape.reduce((count, length) => count * length, 1);
}

/** What an op lowers with: the device, an arena for its constants, and the buffers that were planned for its values. */
export interface Lowering {
  gpu: Gpu;
  arena: Arena;
  tuning: Tuning;
  buffer(value: Value): GPUBuffer;
}

export interface BackwardLowering extends Lowering {
  /** dL/dvalue. The output's has been written before; an input's is to be written, or added to (see `adds`). */
  gradient(value: Value): GPUBuffer;
  /** Whether another op has written that input's gradient already, so that this op must add to it. */
  adds(value: Value): boolean;
  /** Whether the input's gradient is the output's, in the same buffer, so that there is nothing to do (`Op.handsOver`). */
  handedOver(value: Value): boolean;
}

/**
 * One step of a program: a forward kernel or a few, and the vector–Jacobian product that turns the gradient of its output
 * into gradients of its inputs. Weights are constants: an op holds their buffers and computes no gradient for them.
 * Whatever a front end (CLIP's configuration, an ONNX graph) describes is lowered to a list of these.
 */
export interface Op {
  /** `kind/role`, for labels. */
  label: string;
  inputs: readonly Value[];
  output: Value;
  /** Further values that forward writes (statistics, probabilities). */
  extras?: readonly Value[];
  /** Values among inputs, output and extras that backward reads: they are kept until then. */
  saved?: readonly Value[];
  /** Values that only backward uses, as scratch space. */
  scratch?: readonly Value[];
  /** An input whose gradient is the output's unchanged (the stream of a residual sum): it takes over that buffer. */
  handsOver?: Value;
  forward(lowering: Lowering): Promise<Dispatch[]>;
  /** Only called when an input needs a gradient; writes those of `inputs.filter(needsGradient)`. */
  backward(lowering: BackwardLowering): Promise<Dispatch[]>;
}

/** The list of ops as a front end writes it, in order. */
export class Graph {
  readonly ops: Op[] = [];
  readonly inputs: Value[] = [];

  /** A tensor that the caller fills. */
  input(label: string, shape: readonly number[], needsGradient: boolean): Value {
    const value = { label, shape, needsGradient };
    this.inputs.push(value);
    return value;
  }

  add(op: Op): Value {
    this.ops.push(op);
    return op.output;
  }
}

/** A value that depends on `inputs`. */
export function derived(label: string, shape: readonly number[], inputs: readonly Value[]): Value {
  return { label, shape, needsGradient: inputs.some((input) => input.needsGradient) };
}

/** A value that no gradient flows through: statistics, scratch. */
export function internal(label: string, shape: readonly number[]): Value {
  return { label, shape, needsGradient: false };
}
