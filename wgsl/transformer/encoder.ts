import { type Arena, GpuError, type Recorder } from '../core/index.ts';
import type { Dispatch } from '../nn/dispatch.ts';
import { buildEmbedding } from './embedding.ts';
import { EncoderBuffers } from './encoder-buffers.ts';
import { buildLayer } from './layer.ts';
import { buildProjection } from './projection.ts';
import { MAX_ROWS } from './rows.ts';
import { buildTap, type TokenTap } from './tap.ts';
import type { PackedEncoder } from './weights.ts';

/** @throws GpuError when an encoder cannot take so many images of so many tokens. Needs no weights. */
export function requireBatch(batch: number, tokens: number): void {
  if (batch * tokens <= MAX_ROWS) return;
  throw new GpuError(
    `${batch} crops of ${tokens} tokens exceed the ${MAX_ROWS} tokens that CLIP takes in f16: ` +
      `use at most ${Math.floor(MAX_ROWS / tokens)} a step (crops.count, losses.patch.count), or precision: f32`,
  );
}

/** The buffers between an encoder and its user, and its dispatches. */
interface EncoderProgram {
  pixels: GPUBuffer;
  embeds: GPUBuffer;
  gradEmbeds: GPUBuffer;
  gradPixels: GPUBuffer;
  tapped?: { tokens: GPUBuffer; gradTokens: GPUBuffer };
  forward: Dispatch[];
  /** In the order of execution. */
  backward: Dispatch[];
}

/**
 * The image encoder of a CLIP model and its gradient on tensor cores: f16 operands, f32 sums, f32 residual stream. Gradients are divided by a
 * power of two for each row before they become f16, and values by bounds that follow from the weights, so that nothing overflows.
 * All buffers and bind groups exist after `create`; recording allocates nothing. Bytes repeat.
 */
export class TensorEncoder {
  /** f32 [B, 3, S, S], normalised as the model's preprocessor does. */
  readonly pixels: GPUBuffer;
  /** f32 [B, D], not normalised. */
  readonly embeds: GPUBuffer;
  /** dL/dembeds, f32 [B, D], which the caller writes before `recordBackward`, and dL/dpixels. */
  readonly gradEmbeds: GPUBuffer;
  readonly gradPixels: GPUBuffer;
  /** Of the tap: f32 [count, tokens, width], and dL/dtokens, which the caller writes before `recordBackward`. */
  readonly tokens?: GPUBuffer;
  readonly gradTokens?: GPUBuffer;
  readonly dimensions: number;
  readonly #forward: readonly Dispatch[];
  readonly #backward: readonly Dispatch[];

  private constructor(program: EncoderProgram, dimensions: number) {
    this.pixels = program.pixels;
    this.embeds = program.embeds;
    this.gradEmbeds = program.gradEmbeds;
    this.gradPixels = program.gradPixels;
    this.tokens = program.tapped?.tokens;
    this.gradTokens = program.tapped?.gradTokens;
    this.dimensions = dimensions;
    this.#forward = program.forward;
    this.#backward = program.backward;
  }

  /** `arena` owns the buffers. Without `hasBackward` the layers share theirs. */
  static async create(
    arena: Arena,
    model: PackedEncoder,
    batch: number,
    hasBackward: boolean,
    tap?: TokenTap,
  ): Promise<TensorEncoder> {
    const program = await buildEncoder(new EncoderBuffers(arena, hasBackward), model, batch, tap);
    return new TensorEncoder(program, model.dimensions);
  }

  recordForward(recorder: Recorder): void {
    for (const { bound, groups } of this.#forward) recorder.run(bound, groups);
  }

  /** Needs `recordForward` and `gradEmbeds` before. */
  recordBackward(recorder: Recorder): void {
    for (const { bound, groups } of this.#backward) recorder.run(bound, groups);
  }
}

async function buildEncoder(
  buffers: EncoderBuffers,
  model: PackedEncoder,
  batch: number,
  tap?: TokenTap,
): Promise<EncoderProgram> {
  const { arena, hasBackward } = buffers;
  const { layers, pooling, projection, width, dimensions, imageSize, patchSize } = model;
  const tokens = Math.floor(imageSize / patchSize) ** 2 + Number(model.hasClassToken);
  const rows = batch * tokens;
  const pixelCount = batch * 3 * imageSize ** 2;
  const pixels = arena.buffer('pixels', 4 * pixelCount);
  const gradPixels = buffers.gradient('gradPixels', pixelCount);
  const stream = arena.buffer('stream', 4 * rows * width);
  const gradStream = buffers.gradient('gradStream', rows * width);
  const pooled = arena.buffer('pooled', 4 * batch * width);
  const gradPooled = buffers.gradient('gradPooled', batch * width);
  const embeds = projection ? arena.buffer('embeds', 4 * batch * dimensions) : pooled;
  const gradEmbeds = projection ? buffers.gradient('gradEmbeds', batch * dimensions) : gradPooled;

  const tapCount = (tap?.count ?? 0) * tokens * width;
  const tapped = tap && {
    tokens: arena.buffer('tokens', 4 * tapCount),
    gradTokens: buffers.gradient('gradTokens', tapCount),
  };

  const common = { buffers, model, batch };
  const inStream = { tokens, x: stream, y: stream, gradX: gradStream, gradY: gradStream };
  const parts = [await buildEmbedding({ ...common, pixels, gradPixels, stream, gradStream })];
  const [full, last] =
    pooling.kind === 'class' ? [layers.slice(0, -1), layers[layers.length - 1]] : [layers, pooling.layer];
  for (const [i, layer] of full.entries()) {
    parts.push(await buildLayer({ ...common, ...inStream, label: `layer${i}`, layer }));
    if (tapped && tap?.layer === i + 1) {
      const ends = { tapped: tapped.tokens, gradTapped: tapped.gradTokens };
      parts.push(await buildTap({ buffers, tap, batch, tokens, width, stream, gradStream, ...ends }));
    }
  }
  const toPooled = { ...inStream, y: pooled, gradY: gradPooled, pooling };
  parts.push(await buildLayer({ ...common, ...toPooled, label: 'pool', layer: last }));
  parts.push(await buildProjection({ ...common, rows, pooled, gradPooled, embeds, gradEmbeds }));

  const forward = parts.flatMap((part) => part.forward);
  const backward: Dispatch[] = [];
  if (hasBackward) for (const part of parts.reverse()) backward.push(...(await part.backward()));
  return { pixels, embeds, gradEmbeds, gradPixels, tapped, forward, backward };
}
