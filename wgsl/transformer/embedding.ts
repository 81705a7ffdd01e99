import { type Dispatch, defineElementwise, dispatchElements } from '../nn/dispatch.ts';
import type { EncoderBuffers, EncoderPart } from './encoder-buffers.ts';
import { dispatchLinear } from './product.ts';
import { dispatchRowGroups, EMBED_TOKENS, EMBED_TOKENS_BACKWARD } from './rows.ts';
import type { PackedEncoder } from './weights.ts';

export const PATCH_TILES = defineElementwise(
  'transformer/patch-tiles',
  new URL('./patch-tiles.wgsl', import.meta.url),
  {},
  ['f16'],
);

export const PATCH_TILES_BACKWARD = defineElementwise(
  'transformer/patch-tiles-backward',
  new URL('./patch-tiles-backward.wgsl', import.meta.url),
);

interface EmbeddingUse {
  buffers: EncoderBuffers;
  model: PackedEncoder;
  batch: number;
  /** f32 [B, 3, S, S], and the gradient that the backward pass writes. */
  pixels: GPUBuffer;
  gradPixels: GPUBuffer;
  /** f32 [B·tokens, width], and the gradient that the backward pass reads. */
  stream: GPUBuffer;
  gradStream: GPUBuffer;
}

/** Pixels to the first residual stream: patches, their positions, the class token, and the layer norm before the first layer. */
export async function buildEmbedding(use: EmbeddingUse): Promise<EncoderPart> {
  const { buffers, model, batch, pixels, gradPixels, stream, gradStream } = use;
  const { arena } = buffers;
  const { width, patch, preNorm, embeddings, epsilon } = model;
  const grid = Math.floor(model.imageSize / model.patchSize);
  const shape = { channels: 3, side: model.imageSize, patchSide: model.patchSize, grid };
  const patches = grid ** 2;
  const rows = batch * patches;
  const inputs = 3 * model.patchSize ** 2;
  const tiles = buffers.tiled('patchTiles', rows, patch.inputs);
  const embedded = arena.buffer('embeddedPatches', 4 * rows * width);
  const classTokens = Number(model.hasClassToken);
  const sizes = { width, patches, classTokens, epsilon };
  const norm = { weight: preNorm?.weight ?? embeddings };
  const constants = { HAS_NORM: !!preNorm };
  const context = { arena, target: arena.gpu.target };
  const forward = [
    await dispatchElements(context, PATCH_TILES, {
      sizes: { count: rows * inputs, ...shape, tiles: patch.inputs / 16 },
      bindings: { pixels, patches: tiles },
    }),
    await dispatchLinear({
      arena,
      layer: patch,
      direction: 'forward',
      rows,
      a: tiles,
      columns: width,
      y: embedded,
    }),
    await dispatchRowGroups(
      arena,
      EMBED_TOKENS,
      batch * (patches + classTokens),
      sizes,
      { patches: embedded, embeddings, ...norm, bias: preNorm?.bias ?? embeddings, stream },
      constants,
    ),
  ];

  async function backward(): Promise<Dispatch[]> {
    const scaled = buffers.tiled('gradPatchTiles', rows, width);
    const rowScales = arena.buffer('patchRowScales', 4 * rows);
    const gradPatches = arena.buffer('gradPatches', 4 * rows * patch.inputs);
    return [
      await dispatchRowGroups(
        arena,
        EMBED_TOKENS_BACKWARD,
        rows,
        sizes,
        { patches: embedded, embeddings, ...norm, gradient: gradStream, scaled, rowScales },
        constants,
      ),
      await dispatchLinear({
        arena,
        layer: patch,
        direction: 'backward',
        rows,
        a: scaled,
        columns: patch.inputs,
        rowScales,
        y: gradPatches,
      }),
      await dispatchElements(context, PATCH_TILES_BACKWARD, {
        sizes: { count: 3 * batch * model.imageSize ** 2, ...shape, width: patch.inputs },
        bindings: { gradPatches, gradPixels },
      }),
    ];
  }
  return { forward, backward };
}
