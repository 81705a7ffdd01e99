import { type Bindings, defineKernel, GpuError } from '../core/index.ts';
import { type Dispatch, type DispatchContext, defineRowwise, dispatchRows } from './dispatch.ts';
import { type ForwardContext, type Graph, type Op, size, type Tensor, tensor } from './graph.ts';
import { dispatchProduct, type Matrix, type MatrixProduct, matrix, transposed } from './product.ts';

export const SOFTMAX = defineRowwise('nn/softmax', new URL('./softmax.wgsl', import.meta.url), {
  CAUSAL: true,
});
export const SOFTMAX_BACKWARD = defineRowwise(
  'nn/softmax-backward',
  new URL('./softmax-backward.wgsl', import.meta.url),
);

export const ATTENTION = defineKernel({
  label: 'nn/attention',
  example: { ROLLED: true },
  variants: { portable: { source: new URL('./attention.wgsl', import.meta.url) } },
});
export const ATTENTION_BACKWARD = defineKernel({
  label: 'nn/attention-backward',
  example: { ROLLED: true },
  variants: { portable: { source: new URL('./attention-backward.wgsl', import.meta.url) } },
});

/** Queries and keys of a tile of `nn/attention`. */
const TILE = 32;
/** Channels that a workgroup of `nn/attention` writes. */
const GROUP_CHANNELS = 64;
/** WebGPU's minimum limit on workgroups along an axis. */
const MAX_GROUPS = 65535;

/**
 * Columns `offset … offset + width` of a packed tensor [..., tokens, columns]: q, k or v of all heads side by side. The slices of
 * one tensor must not overlap and must cover it: backward writes the gradient of each into that of the tensor.
 */
export interface Slice {
  tensor: Tensor;
  offset: number;
}

export interface AttentionSpec {
  q: Slice;
  k: Slice;
  v: Slice;
  batch: number;
  heads: number;
  /** Query tokens per batch entry: q's tensor has batch × queries rows. */
  queries: number;
  /** Key tokens per batch entry: k's and v's tensors have batch × keys rows. */
  keys: number;
  /** Width of all heads together; each head has width / heads. */
  width: number;
  /** Token i attends to tokens 0…i only. Needs queries = keys. */
  causal?: boolean;
}

/**
 * Multi-head attention softmax(Q·Kᵀ/√d)·V (Vaswani et al. 2017) → [..., queries, width], the leading axes those of q's tensor. On GPUs
 * one kernel each for forward and backward, where heads are whole vec4s and k and v share a tensor; otherwise
 * products and a softmax.
 */
export function attention(graph: Graph, label: string, spec: AttentionSpec): Tensor {
  const { q, k, v, batch, queries, keys, width, causal = false } = spec;
  checkTokens(label, q.tensor, batch, queries);
  checkTokens(label, k.tensor, batch, keys);
  checkTokens(label, v.tensor, batch, keys);
  if (causal && queries !== keys) throw new Error(`${label}: a causal mask needs as many queries as keys`);
  const inputs = [...new Set([q.tensor, k.tensor, v.tensor])];
  const output = tensor(label, [...q.tensor.shape.slice(0, -1), width], inputs);
  const products = attentionByProducts(label, spec, inputs, output);
  if (!isFusible(spec)) return graph.add(products);
  const fused = fusedAttention(label, spec, inputs, output);
  return graph.add({ ...products, forTarget: (target) => (target === 'cpu' ? products : fused) });
}

/**
 * Attention by one batched product over (batch, head) for each factor, on slices of the packed tensors. Keeps the probabilities for
 * backward.
 */
function attentionByProducts(label: string, spec: AttentionSpec, inputs: Tensor[], output: Tensor): Op {
  const { q, k, v, batch, heads, queries, keys, width, causal = false } = spec;
  const y: Slice = { tensor: output, offset: 0 };
  const probabilities = tensor(`${label}/probabilities`, [batch, heads, queries, keys]);
  const gradScores = tensor(`${label}/grad/scores`, [batch, heads, queries, keys]);
  const rows = batch * heads * queries;
  const depth = width / heads;
  const alpha = 1 / Math.sqrt(depth);

  /** The matrices [tokens, depth] of a slice, one per (batch, head). `buffer` has the layout of the slice's tensor. */
  const headMatrices = (slice: Slice, buffer: GPUBuffer): Matrix => {
    const columns = slice.tensor.shape[slice.tensor.shape.length - 1];
    const batchStride = size(slice.tensor) / batch;
    return { ...matrix(buffer, columns), offset: slice.offset, batchStride, headStride: depth };
  };
  /** The matrices [queries, keys] of scores, probabilities or their gradients. */
  const scoreMatrices = (buffer: GPUBuffer): Matrix => ({
    ...matrix(buffer, keys),
    batchStride: heads * queries * keys,
    headStride: queries * keys,
  });
  const product = (
    context: ForwardContext,
    role: string,
    spec: Omit<MatrixProduct, 'label' | 'batches' | 'heads'>,
  ) => dispatchProduct(context, { label: `${label}/${role}`, batches: batch, heads, ...spec });

  return {
    label,
    inputs,
    output,
    auxiliary: [probabilities],
    saved: [...inputs, probabilities],
    scratch: [gradScores],
    async forward(context) {
      const matrixOf = (slice: Slice) => headMatrices(slice, context.buffer(slice.tensor));
      const p = context.buffer(probabilities);
      return [
        await product(context, 'scores', {
          rows: queries,
          columns: keys,
          depth,
          alpha,
          a: matrixOf(q),
          b: transposed(matrixOf(k)),
          c: scoreMatrices(p),
        }),
        await dispatchRows(context, SOFTMAX, {
          constants: { CAUSAL: causal },
          sizes: { rows, width: keys, queries },
          bindings: { scores: p },
        }),
        await product(context, 'output', {
          rows: queries,
          columns: depth,
          depth: keys,
          a: scoreMatrices(p),
          b: matrixOf(v),
          c: matrixOf(y),
        }),
      ];
    },
    async backward(context) {
      const { buffer, gradient } = context;
      const matrixOf = (slice: Slice) => headMatrices(slice, buffer(slice.tensor));
      const gradY = headMatrices(y, gradient(output));
      const [p, gradS] = [buffer(probabilities), buffer(gradScores)];
      const dispatches = [
        // dP = dY·Vᵀ, and from it dS in place.
        await product(context, 'output/backward', {
          rows: queries,
          columns: keys,
          depth,
          a: gradY,
          b: transposed(matrixOf(v)),
          c: scoreMatrices(gradS),
        }),
        await dispatchRows(context, SOFTMAX_BACKWARD, {
          sizes: { rows, width: keys },
          bindings: { probabilities: p, gradient: gradS },
        }),
      ];
      /** The gradient [tokens, depth] of a slice: a·b. */
      const writeGradient = async (role: string, slice: Slice, factors: Factors) => {
        if (!slice.tensor.requiresGrad) return;
        const dispatch = await product(context, `${role}/backward`, {
          columns: depth,
          ...factors,
          c: headMatrices(slice, gradient(slice.tensor)),
          accumulates: context.accumulates(slice.tensor),
        });
        dispatches.push(dispatch);
      };
      const [P, dS] = [scoreMatrices(p), scoreMatrices(gradS)];
      await writeGradient('v', v, { rows: keys, depth: queries, a: transposed(P), b: gradY });
      await writeGradient('q', q, { rows: queries, depth: keys, alpha, a: dS, b: matrixOf(k) });
      await writeGradient('k', k, { rows: keys, depth: queries, alpha, a: transposed(dS), b: matrixOf(q) });
      return dispatches;
    },
  };
}

/** Whether the kernels of `nn/attention` take it. */
function isFusible({ q, k, v, heads, width }: AttentionSpec): boolean {
  const head = width / heads;
  const strides = [q, k, v].flatMap(({ tensor, offset }) => [columnsOf(tensor), offset]);
  return head % 4 === 0 && strides.every((count) => count % 4 === 0) && k.tensor === v.tensor;
}

/** Attention by one kernel, and one for all gradients. Keeps the output and the logarithms of the softmax's sums for backward. */
function fusedAttention(label: string, spec: AttentionSpec, inputs: Tensor[], output: Tensor): Op {
  const { q, k, v, batch, heads, queries, keys, width, causal = false } = spec;
  const head = width / heads;
  const logSums = tensor(`${label}/log-sums`, [batch, heads, queries]);
  const queryTiles = q.tensor.requiresGrad ? Math.ceil(queries / TILE) : 0;
  const keyTiles = k.tensor.requiresGrad ? Math.ceil(keys / TILE) : 0;
  const isPacked = q.tensor === k.tensor;
  const sizes = {
    queries,
    keys,
    heads,
    head4: head / 4,
    isCausal: Number(causal),
    qStride: columnsOf(q.tensor) / 4,
    kStride: columnsOf(k.tensor) / 4,
    vStride: columnsOf(v.tensor) / 4,
    qOffset: q.offset / 4,
    kOffset: k.offset / 4,
    vOffset: v.offset / 4,
    alpha: 1 / Math.sqrt(head),
    queryTiles,
    isPacked: Number(isPacked),
    qAccumulates: 0,
    kvAccumulates: 0,
  };
  const buffersOf = ({ buffer }: ForwardContext) => ({
    q: buffer(q.tensor),
    k: buffer(k.tensor),
    v: buffer(v.tensor),
    y: buffer(output),
    logSums: buffer(logSums),
  });
  const matrices = batch * heads;
  const dispatch = async (
    { arena }: DispatchContext,
    definition: typeof ATTENTION,
    { tiles, numbers, buffers }: FusedUse,
  ): Promise<Dispatch> => {
    if (Math.max(tiles, matrices) > MAX_GROUPS) {
      throw new GpuError(
        `${label}: attention of ${batch} × ${heads} heads exceeds WebGPU's limit on workgroups. Use fewer crops (crops.count)`,
      );
    }
    const constants = { ROLLED: arena.gpu.adapter.software };
    const kernel = await arena.gpu.kernel(definition, { constants, target: 'portable' });
    const uniform = arena.uniform(`${label}/attention`, kernel.struct('Attention').size);
    arena.gpu.write(uniform, kernel.pack('Attention', numbers), 'parameters');
    return {
      bound: kernel.bind({ attention: uniform, ...buffers }),
      groups: [tiles, matrices, Math.ceil(head / GROUP_CHANNELS)],
    };
  };
  return {
    label,
    inputs,
    output,
    auxiliary: [logSums],
    saved: [...inputs, output, logSums],
    async forward(context) {
      const use: FusedUse = {
        tiles: Math.ceil(queries / TILE),
        numbers: sizes,
        buffers: buffersOf(context),
      };
      return [await dispatch(context, ATTENTION, use)];
    },
    async backward(context) {
      const { arena, gradient, accumulates } = context;
      const gradientOf = (given: Tensor) =>
        given.requiresGrad ? gradient(given) : arena.buffer(`${label}/unused`, 16);
      const use: FusedUse = {
        tiles: queryTiles + keyTiles,
        numbers: {
          ...sizes,
          qAccumulates: Number(queryTiles > 0 && accumulates(q.tensor)),
          kvAccumulates: Number(keyTiles > 0 && accumulates(k.tensor)),
        },
        buffers: {
          ...buffersOf(context),
          gradY: gradient(output),
          gradQ: isPacked ? arena.buffer(`${label}/unused`, 16) : gradientOf(q.tensor),
          gradK: gradientOf(k.tensor),
        },
      };
      return [await dispatch(context, ATTENTION_BACKWARD, use)];
    },
  };
}

interface FusedUse {
  /** Workgroups of each (batch, head). */
  tiles: number;
  numbers: Record<string, number>;
  buffers: Bindings;
}

function columnsOf({ shape }: Tensor): number {
  return shape[shape.length - 1];
}

type Factors = Pick<MatrixProduct, 'rows' | 'depth' | 'alpha' | 'a' | 'b'>;

function checkTokens(label: string, { shape }: Tensor, batch: number, tokens: number): void {
  if (size({ shape }) !== batch * tokens * shape[shape.length - 1]) {
    throw new Error(`${label}: [${shape}] does not have ${batch} × ${tokens} tokens`);
  }
}
