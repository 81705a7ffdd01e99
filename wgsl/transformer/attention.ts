import { type Arena, type Constants, defineKernel, type KernelDefinition } from '../core/index.ts';
import { type Dispatch, defineElementwise, dispatchElements } from '../nn/dispatch.ts';
import { MATRIX_EXTENSIONS } from './product.ts';

/** Subgroups a workgroup. Measured on an H200: two take 1.3 to 1.6 times as long as one. */
const SUBGROUPS = 1;

const EXAMPLE = { HEAD_TILES: 4, SUBGROUPS };

export const ATTENTION = defineKernel({
  label: 'transformer/attention',
  example: EXAMPLE,
  variants: {
    portable: { source: new URL('./attention.wgsl', import.meta.url), enables: MATRIX_EXTENSIONS },
  },
});
export const ATTENTION_BACKWARD = defineKernel({
  label: 'transformer/attention-backward',
  example: { ...EXAMPLE, HAS_QUERY_GRADIENTS: true },
  variants: {
    portable: { source: new URL('./attention-backward.wgsl', import.meta.url), enables: MATRIX_EXTENSIONS },
  },
});
export const ATTENTION_DOTS = defineElementwise(
  'transformer/attention-dots',
  new URL('./attention-dots.wgsl', import.meta.url),
  { HEAD_TILES: 4 },
  ['f16'],
);

/** Attention of a batch of images, with operands as `dispatchLinearHeads` stores them. */
export interface AttentionUse {
  arena: Arena;
  images: number;
  headCount: number;
  headTiles: number;
  /** Width of a head before padding. */
  headWidth: number;
  tokens: number;
  /** The first so many tokens are queries. */
  queries: number;
  /** f16 sections: queries, keys, keysᵀ, values, valuesᵀ, all multiplied by headScale. */
  heads: GPUBuffer;
  sectionSize: number;
  headScale: number;
  /** Queries that all images share, f16 tiled by head, multiplied by headScale; those of `heads` unless given. */
  sharedQueries?: GPUBuffer;
  /** f16 tiled [images·queries, heads]: the result, multiplied by headScale. */
  output: GPUBuffer;
  /** f32 [images, heads, queries] */
  logSums: GPUBuffer;
}

/** Gradients of attention: what the backward pass reads and writes beside `AttentionUse`. */
export interface AttentionBackwardUse extends AttentionUse {
  /** f16 by head: rows divided by rowScales, multiplied by gradOutputScale. */
  gradOutput: GPUBuffer;
  gradOutputScale: number;
  /** f32 [images·queries] */
  rowScales: GPUBuffer;
  /** A power of two: the gradients of logits, times this, fit into f16. */
  gradScale: number;
  /** f32 [images, heads, queries] of scratch space. */
  dots: GPUBuffer;
  /** f32 [images·tokens, parts·heads·width]: queries unless shared, keys, values. */
  gradHeads: GPUBuffer;
}

function numbersOf(use: AttentionUse): Record<string, number> {
  const { headCount, headTiles, headWidth, tokens, queries, sectionSize, headScale, sharedQueries } = use;
  const tokenTiles = Math.ceil(tokens / 16);
  const queryTiles = Math.ceil(queries / 16);
  return {
    tokens,
    tokenTiles,
    queries,
    queryTiles,
    heads: headCount,
    sectionSize,
    queryLayoutTiles: sharedQueries ? queryTiles : tokenTiles,
    queryStride: sharedQueries ? 0 : headCount * tokenTiles * headTiles * 256,
    logitScale: 1 / (Math.sqrt(headWidth) * headScale ** 2),
  };
}

async function dispatch(
  definition: KernelDefinition,
  { arena, images, headCount }: AttentionUse,
  constants: Constants,
  numbers: Record<string, number>,
  bindings: Record<string, GPUBuffer>,
  groups: number,
): Promise<Dispatch> {
  const kernel = await arena.gpu.kernel(definition, { constants });
  const uniform = arena.uniform(`${definition.label}/attention`, kernel.struct('Attention').size);
  arena.gpu.write(uniform, kernel.pack('Attention', numbers), 'parameters');
  return { bound: kernel.bind({ attention: uniform, ...bindings }), groups: [groups, headCount, images] };
}

export function dispatchAttention(use: AttentionUse): Promise<Dispatch> {
  const { headTiles, heads, sharedQueries, output, logSums } = use;
  const numbers = numbersOf(use);
  return dispatch(
    ATTENTION,
    use,
    { HEAD_TILES: headTiles, SUBGROUPS },
    { ...numbers, gradScale: 0, queryGradScale: 0, valueGradScale: 0 },
    { queries: sharedQueries ?? heads, heads, output, logSums },
    Math.ceil(numbers.queryTiles / SUBGROUPS),
  );
}

export async function dispatchAttentionBackward(use: AttentionBackwardUse): Promise<Dispatch[]> {
  const { arena, images, headCount, headTiles, headWidth, queries, heads, sharedQueries, headScale } = use;
  const { output, gradOutput, gradOutputScale, gradScale, logSums, dots, rowScales, gradHeads } = use;
  const numbers = numbersOf(use);
  const groups = Math.ceil(numbers.tokenTiles / SUBGROUPS);
  return [
    await dispatchElements({ arena, target: arena.gpu.target }, ATTENTION_DOTS, {
      constants: { HEAD_TILES: headTiles },
      sizes: {
        count: images * headCount * queries,
        heads: headCount,
        queries,
        queryTiles: numbers.queryTiles,
      },
      bindings: { output, gradOutput, dots },
    }),
    await dispatch(
      ATTENTION_BACKWARD,
      use,
      { HEAD_TILES: headTiles, SUBGROUPS, HAS_QUERY_GRADIENTS: !sharedQueries },
      {
        ...numbers,
        gradScale,
        queryGradScale: 1 / (gradOutputScale * headScale ** 2 * gradScale * Math.sqrt(headWidth)),
        valueGradScale: 1 / gradOutputScale,
      },
      { queries: sharedQueries ?? heads, heads, gradOutput, logSums, dots, rowScales, gradHeads },
      sharedQueries ? groups : 2 * groups,
    ),
  ];
}
