import type { Arena, KernelTarget, Recorder } from '../core/index.ts';
import type { Dispatch } from './dispatch.ts';
import type { BackwardContext, Graph, Tensor } from './graph.ts';
import { packLifetimes, planStorage } from './storage.ts';

export interface ProgramOptions {
  /** Tensors that the caller reads. */
  outputs: readonly Tensor[];
  /**
   * Outputs whose gradients the caller writes before `recordBackward`, as torch's `grad_outputs`. There is no backward pass
   * without them.
   */
  gradOutputs?: readonly Tensor[];
  /** The variants of kernels that run; those of `Gpu.target` unless given. */
  target?: KernelTarget;
}

/**
 * A compiled graph: all pipelines, buffers and bind groups exist, so recording it allocates nothing. Tensors that backward
 * reads keep their buffers until then; the others share buffers by lifetime.
 */
export class Program {
  readonly #buffers: Map<Tensor, GPUBuffer>;
  readonly #gradients: Map<Tensor, GPUBuffer>;
  readonly #forward: readonly Dispatch[];
  readonly #backward: readonly Dispatch[];

  private constructor(
    buffers: Map<Tensor, GPUBuffer>,
    gradients: Map<Tensor, GPUBuffer>,
    forward: Dispatch[],
    backward: Dispatch[],
  ) {
    this.#buffers = buffers;
    this.#gradients = gradients;
    this.#forward = forward;
    this.#backward = backward;
  }

  /** Compiles a graph. `arena` owns all buffers; the caller frees it. */
  static async compile(arena: Arena, given: Graph, options: ProgramOptions): Promise<Program> {
    const { outputs, gradOutputs = [], target = arena.gpu.target } = options;
    const graph = given.forTarget(target);
    const storage = planStorage(graph, outputs, gradOutputs);
    const { slots, sizes } = packLifetimes([...storage.tensors.values(), ...storage.gradients.values()]);
    const slotBuffers = sizes.map((bytes, slot) => {
      const [first] = [...slots].find(([, at]) => at === slot)!;
      return arena.buffer(first.label, bytes);
    });
    const allocate = (lifetimes: typeof storage.tensors) =>
      new Map([...lifetimes].map(([tensor, lifetime]) => [tensor, slotBuffers[slots.get(lifetime)!]]));
    const buffers = new Map([...graph.constants, ...allocate(storage.tensors)]);
    const gradients = allocate(storage.gradients);

    const context = { arena, target, buffer: (tensor: Tensor) => need(buffers, tensor) };
    const forward: Dispatch[] = [];
    for (const op of graph.ops) forward.push(...(await op.forward(context)));
    const backward: Dispatch[] = [];
    for (const op of graph.ops.toReversed()) {
      const accumulated = storage.accumulated.get(op);
      if (!accumulated) continue;
      const backwardContext: BackwardContext = {
        ...context,
        gradient: (tensor) => need(gradients, tensor),
        accumulates: (tensor) => accumulated.has(tensor),
        sharesGradient: (tensor) => storage.shared.has(op) && tensor === op.passesGradient,
      };
      backward.push(...(await op.backward(backwardContext)));
    }
    return new Program(buffers, gradients, forward, backward);
  }

  /** The buffer of an input or output. Other tensors may share theirs, so their values may be overwritten. */
  buffer(tensor: Tensor): GPUBuffer {
    return need(this.#buffers, tensor);
  }

  /** The gradient of an input, a result, or of one of `gradOutputs`, which the caller writes. */
  gradient(tensor: Tensor): GPUBuffer {
    return need(this.#gradients, tensor);
  }

  recordForward(recorder: Recorder): void {
    for (const { bound, groups } of this.#forward) recorder.run(bound, groups);
  }

  /** Needs `recordForward` and the gradients of `gradOutputs` before. Replaces the gradients of the inputs. */
  recordBackward(recorder: Recorder): void {
    for (const { bound, groups } of this.#backward) recorder.run(bound, groups);
  }
}

function need(buffers: Map<Tensor, GPUBuffer>, tensor: Tensor): GPUBuffer {
  const buffer = buffers.get(tensor);
  if (!buffer) throw new Error(`the program has no buffer for ${tensor.label}`);
  return buffer;
}
