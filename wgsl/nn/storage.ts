import { type Graph, type Op, size, type Value } from './graph.ts';

/** Room for one tensor from its first to its last use, both included. */
export interface Span {
  label: string;
  bytes: number;
  from: number;
  to: number;
}

/** Where a program's tensors live: op i runs forward at time i and backward at 2n−1−i. */
export interface Storage {
  values: Map<Value, Span>;
  gradients: Map<Value, Span>;
  /** By op that has a backward pass: the inputs whose gradient exists already when it runs. */
  adds: Map<Op, Set<Value>>;
  /** Ops whose `handsOver` input took over the output's gradient. */
  handedOver: Set<Op>;
}

const FOREVER = Number.POSITIVE_INFINITY;

/**
 * Plans lifetimes. The graph's inputs and `outputs`, and the gradients of inputs and of `seeds`, live for ever, for the caller
 * to read and write. Only ops that lead from an input that wants a gradient to a seed have a backward pass.
 */
export function planStorage(graph: Graph, outputs: readonly Value[], seeds: readonly Value[]): Storage {
  const n = graph.ops.length;
  const values = new Map<Value, Span>();
  const born = (value: Value, from: number, to: number) =>
    values.set(value, { label: value.label, bytes: 4 * size(value), from, to });
  for (const input of graph.inputs) born(input, -1, FOREVER);
  const differentiated = opsTowards(graph, seeds);
  const extend = (span: Span, to: number) => {
    span.to = Math.max(span.to, to);
  };
  graph.ops.forEach((op, i) => {
    for (const input of op.inputs) {
      const span = values.get(input);
      if (!span) throw new Error(`${op.label} reads ${input.label} before anything writes it`);
      extend(span, i);
    }
    for (const value of [op.output, ...(op.extras ?? [])]) {
      born(value, i, outputs.includes(value) ? FOREVER : i);
    }
    if (!differentiated.has(op)) return;
    for (const value of op.saved ?? []) extend(values.get(value)!, 2 * n - 1 - i);
    for (const value of op.scratch ?? []) born(value, 2 * n - 1 - i, 2 * n - 1 - i);
  });

  const storage: Storage = { values, gradients: new Map(), adds: new Map(), handedOver: new Set() };
  planGradients(graph, seeds, differentiated, storage);
  return storage;
}

/** The ops that a gradient passes on its way from a seed to an input that wants one. */
function opsTowards(graph: Graph, seeds: readonly Value[]): Set<Op> {
  const reached = new Set(seeds);
  const ops = new Set<Op>();
  for (const op of graph.ops.toReversed()) {
    const wanting = op.inputs.filter((input) => input.needsGradient);
    if (!reached.has(op.output) || !wanting.length) continue;
    ops.add(op);
    for (const input of wanting) reached.add(input);
  }
  return ops;
}

function planGradients(
  graph: Graph,
  seeds: readonly Value[],
  differentiated: ReadonlySet<Op>,
  { gradients, adds, handedOver }: Storage,
): void {
  const n = graph.ops.length;
  const span = (value: Value, from: number, to: number) => {
    gradients.set(value, { label: `grad/${value.label}`, bytes: 4 * size(value), from, to });
  };
  for (const seed of seeds) span(seed, -1, FOREVER);
  for (let i = n - 1; i >= 0; i--) {
    const op = graph.ops[i];
    if (!differentiated.has(op)) continue;
    const time = 2 * n - 1 - i;
    const incoming = gradients.get(op.output);
    if (!incoming)
      throw new Error(`no gradient reaches ${op.output.label}: it is neither used nor an output`);
    incoming.to = Math.max(incoming.to, time);
    const added = new Set<Value>();
    for (const input of new Set(op.inputs)) {
      if (!input.needsGradient) continue;
      const existing = gradients.get(input);
      const forever = graph.inputs.includes(input);
      const once = op.inputs.indexOf(input) === op.inputs.lastIndexOf(input);
      if (existing) {
        existing.to = Math.max(existing.to, time);
        added.add(input);
      } else if (input === op.handsOver && once && !forever && !seeds.includes(op.output)) {
        gradients.set(input, incoming);
        handedOver.add(op);
      } else span(input, forever ? -1 : time, forever ? FOREVER : time);
    }
    adds.set(op, added);
  }
}

/** Shares buffers between spans that do not overlap: smallest that fits, first come. Returns each span's slot and the slots' bytes. */
export function packSpans(spans: Iterable<Span>): { slots: Map<Span, number>; bytes: number[] } {
  const ordered = [...new Set(spans)].sort((a, b) => a.from - b.from);
  const slots = new Map<Span, number>();
  const bytes: number[] = [];
  const busyUntil: number[] = [];
  for (const span of ordered) {
    let best = -1;
    for (let slot = 0; slot < bytes.length; slot++) {
      if (busyUntil[slot] >= span.from || bytes[slot] < span.bytes) continue;
      if (best < 0 || bytes[slot] < bytes[best]) best = slot;
    }
    if (best < 0) best = bytes.push(span.bytes) - 1;
    slots.set(span, best);
    busyUntil[best] = span.to;
  }
  return { slots, bytes };
}
