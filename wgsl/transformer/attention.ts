import { type Arena, type Constants, defineKernel, type KernelDefinition } from '../core/index.ts';
import type { Dispatch } from '../nn/dispatch.ts';
import { MATRIX_EXTENSIONS } from './product.ts';
import type { SharedQueries } from './weights.ts';

/** Tiles of keys that a subgroup takes at once, as in attention-heads.wgsl. */
const CHUNK = 2;
/** Chunks for each subgroup of the backward pass, and the most subgroups of a workgroup. Measured on an H200 for 50, 197 and 257 tokens. */
const [CHUNKS, MAX_SUBGROUPS] = [3, 3];
/** The most bytes of scratch space, unless one image needs more: WebGPU's default limit of a binding. */
const MAX_PAIR_BYTES = 2 ** 27;
/** Tiles of keys and of columns that a subgroup of attention-backward-keys takes. */
const [KEY_TILES, COLUMN_TILES] = [2, 4];

function defineAttention(label: string, source: URL, example: Constants): KernelDefinition {
  return defineKernel({
    label: `transformer/${label}`,
    example: { HEAD_TILES: 4, ...example },
    variants: { portable: { source, enables: MATRIX_EXTENSIONS } },
  });
}

export const ATTENTION = defineAttention('attention', new URL('./attention.wgsl', import.meta.url), {
  SUBGROUPS: 1,
});
export const ATTENTION_BACKWARD = defineAttention(
  'attention-backward',
  new URL('./attention-backward.wgsl', import.meta.url),
  { SUBGROUPS: MAX_SUBGROUPS, HAS_QUERY_GRADIENTS: true },
);
export const ATTENTION_BACKWARD_KEYS = defineAttention(
  'attention-backward-keys',
  new URL('./attention-backward-keys.wgsl', import.meta.url),
  { SUBGROUPS: 1, HAS_QUERY_GRADIENTS: true },
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
  /** f16 sections: queries, keys, values, all multiplied by headScale. */
  heads: GPUBuffer;
  sectionSize: number;
  headScale: number;
  /** Those of `heads` unless given. */
  sharedQueries?: SharedQueries;
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
  /** f16 scratch space for one image at least: a dispatch takes as many as fit. See `attentionPairBytes`. */
  pairs: GPUBuffer;
  /** f32 [images·tokens, parts·heads·width]: queries unless shared, keys, values. */
  gradHeads: GPUBuffer;
}

/** Bytes of the pairs of an image: tiles of weights and of gradients of logits, of all heads. */
function imagePairBytes({ headCount, tokens, queries }: PairShape): number {
  return 2 * 512 * headCount * Math.ceil(tokens / 16) * Math.ceil(queries / 16);
}

/** What the stored queries are multiplied by. */
function queryScaleOf({ sharedQueries, headScale }: AttentionUse): number {
  return sharedQueries?.scale ?? headScale;
}

type PairShape = Pick<AttentionUse, 'headCount' | 'tokens' | 'queries'>;

/** Bytes of scratch space that the backward pass needs to take many images at once. */
export function attentionPairBytes(images: number, shape: PairShape): number {
  const bytes = imagePairBytes(shape);
  return bytes * Math.max(1, Math.min(images, Math.floor(MAX_PAIR_BYTES / bytes)));
}

/** Subgroups that share the keys in the backward pass. */
function subgroupsFor(tokens: number): number {
  return Math.min(MAX_SUBGROUPS, Math.ceil(Math.ceil(tokens / 16) / (CHUNK * CHUNKS)));
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
    logitScale: 1 / (Math.sqrt(headWidth) * headScale * queryScaleOf(use)),
  };
}

async function dispatch(
  definition: KernelDefinition,
  { arena, headCount }: AttentionUse,
  constants: Constants,
  numbers: Record<string, number>,
  bindings: Record<string, GPUBuffer>,
  groups: number,
  images: number,
): Promise<Dispatch> {
  const kernel = await arena.gpu.kernel(definition, { constants });
  const uniform = arena.uniform(`${definition.label}/attention`, kernel.struct('Attention').size);
  arena.gpu.write(uniform, kernel.pack('Attention', numbers), 'parameters');
  return { bound: kernel.bind({ attention: uniform, ...bindings }), groups: [groups, headCount, images] };
}

export function dispatchAttention(use: AttentionUse): Promise<Dispatch> {
  const { images, headTiles, heads, sharedQueries, output, logSums } = use;
  const numbers = numbersOf(use);
  return dispatch(
    ATTENTION,
    use,
    { HEAD_TILES: headTiles, SUBGROUPS: 1 },
    { ...numbers, firstImage: 0, gradScale: 0, queryGradScale: 0, valueGradScale: 0 },
    { queries: sharedQueries?.buffer ?? heads, heads, output, logSums },
    numbers.queryTiles,
    images,
  );
}

export async function dispatchAttentionBackward(use: AttentionBackwardUse): Promise<Dispatch[]> {
  const { images, headTiles, headWidth, tokens, heads, sharedQueries, headScale } = use;
  const { output, gradOutput, gradOutputScale, gradScale, logSums, rowScales, pairs, gradHeads } = use;
  const shape = numbersOf(use);
  const numbers = {
    ...shape,
    gradScale,
    queryGradScale: 1 / (gradOutputScale * headScale * queryScaleOf(use) * gradScale * Math.sqrt(headWidth)),
    valueGradScale: 1 / gradOutputScale,
  };
  const { tokenTiles, queryTiles } = shape;
  const queries = sharedQueries?.buffer ?? heads;
  const constants = { HEAD_TILES: headTiles, HAS_QUERY_GRADIENTS: !sharedQueries };
  const most = Math.floor(pairs.size / imagePairBytes(use));
  const dispatches: Dispatch[] = [];
  for (let firstImage = 0; firstImage < images; firstImage += most) {
    const count = Math.min(most, images - firstImage);
    dispatches.push(
      await dispatch(
        ATTENTION_BACKWARD,
        use,
        { ...constants, SUBGROUPS: subgroupsFor(tokens) },
        { ...numbers, firstImage },
        { queries, heads, gradOutput, output, logSums, rowScales, pairs, gradHeads },
        sharedQueries ? queryTiles : tokenTiles,
        count,
      ),
      await dispatch(
        ATTENTION_BACKWARD_KEYS,
        use,
        { ...constants, SUBGROUPS: 1 },
        { ...numbers, firstImage },
        { queries, gradOutput, rowScales, pairs, gradHeads },
        2 * Math.ceil(tokenTiles / KEY_TILES) * Math.ceil(headTiles / COLUMN_TILES),
        count,
      ),
    );
  }
  return dispatches;
}
