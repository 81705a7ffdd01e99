import { derived, type Graph, internal, size, type Value } from './graph.ts';
import { lowerRows } from './lower.ts';
import { bindProduct, type Operand } from './product.ts';

const FORWARD = new URL('./softmax.wgsl', import.meta.url);
const BACKWARD = new URL('./softmax-backward.wgsl', import.meta.url);

/**
 * Columns `offset … offset + width` of a packed value whose rows are tokens: q, k or v of all heads side by side. The slices
 * of one value must not overlap, and together be the whole of it: backward writes each into the value's gradient.
 */
export interface Slice {
  value: Value;
  offset: number;
}

export interface AttentionSpec {
  q: Slice;
  k: Slice;
  v: Slice;
  batch: number;
  heads: number;
  /** Tokens that ask, per batch entry: rows of q's value are [batch, queries]. */
  queries: number;
  /** Tokens that are looked at: rows of k's and v's are [batch, keys]. */
  keys: number;
  /** Width of all heads together; a head has width / heads. */
  width: number;
  /** Token i looks at 0…i only (then queries = keys). */
  causal?: boolean;
}

/**
 * Multi-head attention softmax(q·kᵀ/√d)·v (Vaswani et al. 2017) → rows of `width`, as many as q's. The probabilities are kept for
 * backward; every product is one batched product over (batch, head), sliced from the packed tensors by strides.
 */
export function attention(graph: Graph, label: string, spec: AttentionSpec): Value {
  const { q, k, v, batch, heads, queries, keys, width, causal = false } = spec;
  for (const [slice, tokens] of [
    [q, queries],
    [k, keys],
    [v, keys],
  ] as const) {
    const { shape } = slice.value;
    if (size(slice.value) !== batch * tokens * shape[shape.length - 1]) {
      throw new Error(`${label}: [${shape}] is not ${batch} × ${tokens} tokens`);
    }
  }
  if (causal && queries !== keys) throw new Error(`${label}: a causal mask needs as many queries as keys`);
  const inputs = [...new Set([q.value, k.value, v.value])];
  const output = derived(label, [...q.value.shape.slice(0, -1), width], inputs);
  const shape = [batch, heads, queries, keys];
  const probabilities = internal(`${label}/probabilities`, shape);
  const scratch = internal(`${label}/grad/scores`, shape);
  const rows = batch * heads * queries;
  const depth = width / heads;
  const alpha = 1 / Math.sqrt(depth);
  const matrices = { batches: batch, heads };

  /** A slice of packed tokens as an operand: its rows are tokens (`outer`) or its columns are. */
  const tokens = (slice: Slice, buffer: GPUBuffer, count: number, outer: 'token' | 'channel'): Operand => {
    const row = slice.value.shape[slice.value.shape.length - 1];
    const strides = outer === 'token' ? { outer: row, depth: 1 } : { outer: 1, depth: row };
    return { buffer, offset: slice.offset, batch: count * row, head: depth, ...strides };
  };
  const scores = (buffer: GPUBuffer, outer: 'query' | 'key'): Operand => ({
    buffer,
    batch: heads * queries * keys,
    head: queries * keys,
    ...(outer === 'query' ? { outer: keys, depth: 1 } : { outer: 1, depth: keys }),
  });
  const result = ({ buffer, offset, batch, head, outer }: Operand) => ({
    buffer,
    offset,
    batch,
    head,
    row: outer,
  });
  const own: Slice = { value: output, offset: 0 };

  return graph.add({
    label,
    inputs,
    output,
    extras: [probabilities],
    saved: [...inputs, probabilities],
    scratch: [scratch],
    async forward(at) {
      const { arena, tuning, buffer } = at;
      const p = buffer(probabilities);
      const ask = await bindProduct(arena, tuning, {
        label: `${label}/scores`,
        ...matrices,
        rows: queries,
        columns: keys,
        depth,
        alpha,
        a: tokens(q, buffer(q.value), queries, 'token'),
        b: tokens(k, buffer(k.value), keys, 'token'),
        c: result(scores(p, 'query')),
      });
      const softmax = await lowerRows(at, {
        source: FORWARD,
        constants: { CAUSAL: causal },
        sizes: { rows, width: keys, queries },
        bindings: { scores: p },
      });
      const gather = await bindProduct(arena, tuning, {
        label: `${label}/mix`,
        ...matrices,
        rows: queries,
        columns: depth,
        depth: keys,
        a: scores(p, 'query'),
        b: tokens(v, buffer(v.value), keys, 'channel'),
        c: result(tokens(own, buffer(output), queries, 'token')),
      });
      return [ask, softmax, gather];
    },
    async backward(at) {
      const { arena, tuning, buffer, gradient, adds } = at;
      const [p, ds] = [buffer(probabilities), buffer(scratch)];
      const dy = gradient(output);
      const product = (role: string, spec: Omit<Parameters<typeof bindProduct>[2], 'label'>) =>
        bindProduct(arena, tuning, { label: `${label}/${role}/backward`, ...matrices, ...spec });
      const probabilityGradient = await product('mix', {
        rows: queries,
        columns: keys,
        depth,
        a: tokens(own, dy, queries, 'token'),
        b: tokens(v, buffer(v.value), keys, 'token'),
        c: result(scores(ds, 'query')),
      });
      const softmax = await lowerRows(at, {
        source: BACKWARD,
        sizes: { rows, width: keys },
        bindings: { probabilities: p, gradient: ds },
      });
      const dispatches = [probabilityGradient, softmax];
      if (v.value.needsGradient) {
        dispatches.push(
          await product('v', {
            rows: keys,
            columns: depth,
            depth: queries,
            a: scores(p, 'key'),
            b: tokens(own, dy, queries, 'channel'),
            c: result(tokens(v, gradient(v.value), keys, 'token')),
            accumulate: adds(v.value),
          }),
        );
      }
      if (q.value.needsGradient) {
        dispatches.push(
          await product('q', {
            rows: queries,
            columns: depth,
            depth: keys,
            alpha,
            a: scores(ds, 'query'),
            b: tokens(k, buffer(k.value), keys, 'channel'),
            c: result(tokens(q, gradient(q.value), queries, 'token')),
            accumulate: adds(q.value),
          }),
        );
      }
      if (k.value.needsGradient) {
        dispatches.push(
          await product('k', {
            rows: keys,
            columns: depth,
            depth: queries,
            alpha,
            a: scores(ds, 'key'),
            b: tokens(q, buffer(q.value), queries, 'channel'),
            c: result(tokens(k, gradient(k.value), keys, 'token')),
            accumulate: adds(k.value),
          }),
        );
      }
      return dispatches;
    },
  });
}
