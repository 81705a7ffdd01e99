import type { Arena, Recorder } from '../core/index.ts';
import type { Graph, Value } from './graph.ts';
import type { Dispatch } from './product.ts';
import { packSpans, planStorage } from './storage.ts';
import { type Tuning, tuningFor } from './tuning.ts';

export interface ProgramOptions {
  /** Values that the caller reads. */
  outputs: readonly Value[];
  /** Outputs whose gradients the caller writes before `recordBackward`. None: there is no backward pass. */
  seeds?: readonly Value[];
  /** Kernel shapes; by the adapter unless given. */
  tuning?: Tuning;
}

/**
 * A graph made ready to run: every kernel compiled, every buffer made, every bind group built. Recording it allocates
 * nothing. Activations that backward needs are kept, all else shares buffers by lifetime.
 */
export class Program {
  readonly #buffers: Map<Value, GPUBuffer>;
  readonly #gradients: Map<Value, GPUBuffer>;
  readonly #forward: readonly Dispatch[];
  readonly #backward: readonly Dispatch[];

  private constructor(
    buffers: Map<Value, GPUBuffer>,
    gradients: Map<Value, GPUBuffer>,
    forward: Dispatch[],
    backward: Dispatch[],
  ) {
    this.#buffers = buffers;
    this.#gradients = gradients;
    this.#forward = forward;
    this.#backward = backward;
  }

  /** Everything is made in `arena`, which the caller frees. */
  static async compile(arena: Arena, graph: Graph, options: ProgramOptions): Promise<Program> {
    const { outputs, seeds = [], tuning = tuningFor(arena.gpu) } = options;
    const storage = planStorage(graph, outputs, seeds);
    const { slots, bytes } = packSpans([...storage.values.values(), ...storage.gradients.values()]);
    const shared = bytes.map((length, slot) => {
      const span = [...slots].find(([, at]) => at === slot)![0];
      return arena.buffer(span.label, length);
    });
    const bufferOf = <S>(spans: Map<Value, S>, bySpan: (span: S) => number) =>
      new Map([...spans].map(([value, span]) => [value, shared[bySpan(span)]]));
    const buffers = bufferOf(storage.values, (span) => slots.get(span)!);
    const gradients = bufferOf(storage.gradients, (span) => slots.get(span)!);

    const base = { gpu: arena.gpu, arena, tuning, buffer: (value: Value) => need(buffers, value) };
    const forward: Dispatch[] = [];
    for (const op of graph.ops) forward.push(...(await op.forward(base)));
    const reverse: Dispatch[] = [];
    const reversed = graph.ops.filter((op) => storage.adds.has(op)).reverse();
    for (const op of reversed) {
      const dispatches = await op.backward({
        ...base,
        gradient: (value) => need(gradients, value),
        adds: (value) => storage.adds.get(op)!.has(value),
        handedOver: (value) => storage.handedOver.has(op) && value === op.handsOver,
      });
      reverse.push(...dispatches);
    }
    return new Program(buffers, gradients, forward, reverse);
  }

  /** The buffer of an input or output. Of another value: whatever it shares its buffer with may have overwritten it. */
  buffer(value: Value): GPUBuffer {
    return need(this.#buffers, value);
  }

  /** dL/d of an input (a result) or of a seed (written by the caller). */
  gradient(value: Value): GPUBuffer {
    return need(this.#gradients, value);
  }

  recordForward(recorder: Recorder): void {
    for (const { bound, groups } of this.#forward) recorder.run(bound, groups);
  }

  /** After `recordForward`, and after the seeds were written. Replaces the inputs' gradients. */
  recordBackward(recorder: Recorder): void {
    for (const { bound, groups } of this.#backward) recorder.run(bound, groups);
  }
}

function need(buffers: Map<Value, GPUBuffer>, value: Value): GPUBuffer {
  const buffer = buffers.get(value);
  if (!buffer) throw new Error(`the program holds nothing for ${value.label}`);
  return buffer;
}
