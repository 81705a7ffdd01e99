import { type Graph, type Op, size, type Tensor } from './graph.ts';

/** Memory for one tensor from its first to its last use, both included. */
export interface Lifetime {
  label: string;
  bytes: number;
  from: number;
  to: number;
}

/** The lifetimes of a program's tensors. Of n ops, op i runs forward at time i and backward at time 2n − 1 − i. */
export interface Storage {
  tensors: Map<Tensor, Lifetime>;
  gradients: Map<Tensor, Lifetime>;
  /** By op with a backward pass: the inputs whose gradient another op has already written. */
  accumulated: Map<Op, Set<Tensor>>;
  /** Ops whose `passesGradient` input shares the buffer of the output's gradient. */
  shared: Set<Op>;
}

const FOREVER = Number.POSITIVE_INFINITY;

/**
 * Plans lifetimes. The graph's inputs, `outputs`, and the gradients of inputs and `gradOutputs` live forever: the caller reads
 * and writes them. Only ops between an input that requires a gradient and one of `gradOutputs` have a backward pass.
 */
export function planStorage(
  graph: Graph,
  outputs: readonly Tensor[],
  gradOutputs: readonly Tensor[],
): Storage {
  const n = graph.ops.length;
  const tensors = new Map<Tensor, Lifetime>();
  const create = (tensor: Tensor, from: number, to: number) =>
    tensors.set(tensor, { label: tensor.label, bytes: 4 * size(tensor), from, to });
  const extend = (lifetime: Lifetime, to: number) => {
    lifetime.to = Math.max(lifetime.to, to);
  };
  for (const input of graph.inputs) create(input, -1, FOREVER);
  const differentiated = differentiatedOps(graph, gradOutputs);
  graph.ops.forEach((op, i) => {
    const backwardTime = 2 * n - 1 - i;
    for (const input of op.inputs) {
      if (graph.constants.has(input)) continue;
      const lifetime = tensors.get(input);
      if (!lifetime) throw new Error(`${op.label} reads ${input.label} before an op writes it`);
      extend(lifetime, i);
    }
    for (const tensor of [op.output, ...(op.auxiliary ?? [])]) {
      create(tensor, i, outputs.includes(tensor) ? FOREVER : i);
    }
    if (!differentiated.has(op)) return;
    for (const tensor of op.saved ?? []) {
      if (!graph.constants.has(tensor)) extend(tensors.get(tensor)!, backwardTime);
    }
    for (const tensor of op.scratch ?? []) create(tensor, backwardTime, backwardTime);
  });
  return { tensors, ...planGradients(graph, gradOutputs, differentiated) };
}

/** The ops that gradients pass between `gradOutputs` and inputs that require one. */
function differentiatedOps(graph: Graph, gradOutputs: readonly Tensor[]): Set<Op> {
  const reached = new Set(gradOutputs);
  const ops = new Set<Op>();
  for (const op of graph.ops.toReversed()) {
    const inputs = op.inputs.filter(({ requiresGrad }) => requiresGrad);
    if (!reached.has(op.output) || !inputs.length) continue;
    ops.add(op);
    for (const input of inputs) reached.add(input);
  }
  return ops;
}

function planGradients(
  graph: Graph,
  gradOutputs: readonly Tensor[],
  differentiated: ReadonlySet<Op>,
): Omit<Storage, 'tensors'> {
  const gradients = new Map<Tensor, Lifetime>();
  const accumulated = new Map<Op, Set<Tensor>>();
  const shared = new Set<Op>();
  const n = graph.ops.length;
  const create = (tensor: Tensor, from: number, to: number) => {
    gradients.set(tensor, { label: `grad/${tensor.label}`, bytes: 4 * size(tensor), from, to });
  };
  for (const output of gradOutputs) create(output, -1, FOREVER);
  for (let i = n - 1; i >= 0; i--) {
    const op = graph.ops[i];
    if (!differentiated.has(op)) continue;
    const time = 2 * n - 1 - i;
    const gradOutput = gradients.get(op.output);
    if (!gradOutput)
      throw new Error(`no gradient reaches ${op.output.label}: it is neither used nor an output`);
    gradOutput.to = Math.max(gradOutput.to, time);
    const written = new Set<Tensor>();
    for (const input of new Set(op.inputs)) {
      if (!input.requiresGrad) continue;
      const existing = gradients.get(input);
      const isForever = graph.inputs.includes(input);
      const isUsedOnce = op.inputs.indexOf(input) === op.inputs.lastIndexOf(input);
      if (existing) {
        existing.to = Math.max(existing.to, time);
        written.add(input);
      } else if (
        input === op.passesGradient &&
        isUsedOnce &&
        !isForever &&
        !gradOutputs.includes(op.output)
      ) {
        gradients.set(input, gradOutput);
        shared.add(op);
      } else create(input, isForever ? -1 : time, isForever ? FOREVER : time);
    }
    accumulated.set(op, written);
  }
  return { gradients, accumulated, shared };
}

/**
 * Assigns lifetimes that do not overlap to one slot: in order of their start, each to the smallest free slot that fits it.
 * Returns the slot of each, and the bytes of the slots.
 */
export function packLifetimes(lifetimes: Iterable<Lifetime>): {
  slots: Map<Lifetime, number>;
  sizes: number[];
} {
  const ordered = [...new Set(lifetimes)].sort((a, b) => a.from - b.from);
  const slots = new Map<Lifetime, number>();
  const sizes: number[] = [];
  const busyUntil: number[] = [];
  for (const lifetime of ordered) {
    let best = -1;
    for (let slot = 0; slot < sizes.length; slot++) {
      if (busyUntil[slot] >= lifetime.from || sizes[slot] < lifetime.bytes) continue;
      if (best < 0 || sizes[slot] < sizes[best]) best = slot;
    }
    if (best < 0) best = sizes.push(lifetime.bytes) - 1;
    slots.set(lifetime, best);
    busyUntil[best] = lifetime.to;
  }
  return { slots, sizes };
}
