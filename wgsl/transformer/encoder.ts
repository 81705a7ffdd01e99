import type { Arena, Recorder } from '../core/index.ts';
import { type Dispatch, defineElementwise, dispatchElements } from '../nn/dispatch.ts';
import type { Activation } from '../nn/elementwise.ts';
import { type AttentionUse, dispatchAttention, dispatchAttentionBackward } from './attention.ts';
import {
  dispatchLinear,
  dispatchLinearActivation,
  dispatchLinearActivationBackward,
  dispatchLinearHeads,
} from './product.ts';
import {
  dispatchRowGroups,
  EMBED_TOKENS,
  EMBED_TOKENS_BACKWARD,
  INCOMING,
  NORMALISE,
  NORMALISE_BACKWARD,
  SCALE_ROWS,
} from './rows.ts';
import type { PackedLinear } from './weights.ts';

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

/** The weights of one pre-norm layer, each layer norm part of the linear layer after it. */
export interface PackedLayer {
  /** Queries, keys and values of all heads, each head padded to whole tiles; keys and values only with shared queries. */
  qkv: PackedLinear;
  out: PackedLinear;
  fc1: PackedLinear;
  fc2: PackedLinear;
}

/** A vision transformer for tensor cores: packed weights and shape. Programs of any batch size share it. */
export interface PackedEncoder {
  width: number;
  /** Of embeddings. */
  dimensions: number;
  headCount: number;
  headWidth: number;
  activation: Activation;
  epsilon: number;
  /** Pixels of an image's edge and of a patch's edge. */
  imageSize: number;
  patchSize: number;
  hasClassToken: boolean;
  patch: PackedLinear;
  /** f32 [tokens, width]: of each position, and of the class token in row 0. */
  embeddings: GPUBuffer;
  /** The layer norm before the first layer. */
  preNorm?: { weight: GPUBuffer; bias: GPUBuffer };
  layers: PackedLayer[];
  /**
   * How an image's embedding is taken: `class`, the first token of the last layer; `attention`, a further layer whose one query is the same
   * for all images, without the residual of its attention (SigLIP).
   */
  pooling: { kind: 'class' } | { kind: 'attention'; queries: GPUBuffer; layer: PackedLayer };
  /** After the last layer norm; without it the stream itself is the embedding. */
  projection?: PackedLinear;
}

/** The largest value that a stored f16 may reach by the bounds of its layer: a quarter of f16's own. */
const LIMIT = 2 ** 14;

/** The largest power of two, at most 1, that brings a bound below the limit. */
function safeScale(bound: number): number {
  return 2 ** Math.min(0, Math.floor(Math.log2(LIMIT / Math.max(bound, 1))));
}

/** Token rows of a layer's input, of its output, and how the output's rows follow from the input's. */
interface LayerRows {
  tokens: number;
  /** Query tokens an image: rows of the output. */
  queries: number;
  kind: 'all' | 'class' | 'attention';
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
  readonly dimensions: number;
  readonly #forward: readonly Dispatch[];
  readonly #backward: readonly Dispatch[];

  private constructor(plan: EncoderPlan) {
    this.pixels = plan.pixels;
    this.embeds = plan.embeds;
    this.gradEmbeds = plan.gradEmbeds;
    this.gradPixels = plan.gradPixels;
    this.dimensions = plan.dimensions;
    this.#forward = plan.forward;
    this.#backward = plan.backward;
  }

  /** `arena` owns the buffers. Without `hasBackward` the layers share theirs. */
  static async create(
    arena: Arena,
    model: PackedEncoder,
    batch: number,
    hasBackward: boolean,
  ): Promise<TensorEncoder> {
    const plan = new EncoderPlan(arena, model, batch, hasBackward);
    await plan.build();
    return new TensorEncoder(plan);
  }

  recordForward(recorder: Recorder): void {
    for (const { bound, groups } of this.#forward) recorder.run(bound, groups);
  }

  /** Needs `recordForward` and `gradEmbeds` before. */
  recordBackward(recorder: Recorder): void {
    for (const { bound, groups } of this.#backward) recorder.run(bound, groups);
  }
}

/** Builds the dispatches of an encoder. */
class EncoderPlan {
  readonly arena: Arena;
  readonly model: PackedEncoder;
  readonly batch: number;
  readonly hasBackward: boolean;
  readonly dimensions: number;
  readonly pixels: GPUBuffer;
  readonly embeds: GPUBuffer;
  readonly gradEmbeds: GPUBuffer;
  readonly gradPixels: GPUBuffer;
  readonly forward: Dispatch[] = [];
  /** In the order of execution. */
  readonly backward: Dispatch[] = [];
  readonly #grid: number;
  readonly #tokens: number;
  readonly #headTiles: number;
  /** The stream of one row an image. */
  readonly #pooled: GPUBuffer;
  readonly #gradPooled: GPUBuffer;
  readonly #scratch = new Map<string, GPUBuffer>();

  constructor(arena: Arena, model: PackedEncoder, batch: number, hasBackward: boolean) {
    this.arena = arena;
    this.model = model;
    this.batch = batch;
    this.hasBackward = hasBackward;
    this.#grid = Math.floor(model.imageSize / model.patchSize);
    this.#tokens = this.#grid ** 2 + Number(model.hasClassToken);
    this.#headTiles = Math.ceil(model.headWidth / 16);
    this.dimensions = model.dimensions;
    this.pixels = arena.buffer('pixels', 4 * batch * 3 * model.imageSize ** 2);
    this.#pooled = arena.buffer('pooled', 4 * batch * model.width);
    this.#gradPooled = this.#gradient('gradPooled', batch * model.width);
    this.embeds = model.projection ? arena.buffer('embeds', 4 * batch * this.dimensions) : this.#pooled;
    this.gradEmbeds = model.projection
      ? this.#gradient('gradEmbeds', batch * this.dimensions)
      : this.#gradPooled;
    this.gradPixels = this.#gradient('gradPixels', batch * 3 * model.imageSize ** 2);
  }

  async build(): Promise<void> {
    const { arena, model, batch } = this;
    const { layers, pooling, projection, width } = model;
    const [tokens, rows] = [this.#tokens, batch * this.#tokens];
    const stream = arena.buffer('stream', 4 * rows * width);
    const [pooled, gradPooled] = [this.#pooled, this.#gradPooled];
    const gradStream = this.#gradient('gradStream', rows * width);
    const backward: (() => Promise<Dispatch[]>)[] = [];
    const all: LayerRows = { tokens, queries: tokens, kind: 'all' };
    const full = pooling.kind === 'class' ? layers.slice(0, -1) : layers;
    backward.push(await this.#embed(stream, gradStream));
    for (const [i, layer] of full.entries()) {
      backward.push(await this.#layer(`layer${i}`, layer, all, stream, stream, gradStream, gradStream));
    }
    const last = pooling.kind === 'class' ? layers[layers.length - 1] : pooling.layer;
    const one: LayerRows = { tokens, queries: 1, kind: pooling.kind };
    backward.push(await this.#layer('pool', last, one, stream, pooled, gradStream, gradPooled));
    backward.push(await this.#project(projection));
    if (!this.hasBackward) return;
    for (const part of backward.reverse()) this.backward.push(...(await part()));
  }

  /** Pixels to the first residual stream, and back. */
  async #embed(stream: GPUBuffer, gradStream: GPUBuffer): Promise<() => Promise<Dispatch[]>> {
    const { arena, model, batch, pixels, gradPixels } = this;
    const { width, patch, preNorm, embeddings, epsilon } = model;
    const shape = { channels: 3, side: model.imageSize, patchSide: model.patchSize, grid: this.#grid };
    const patches = this.#grid ** 2;
    const rows = batch * patches;
    const inputs = 3 * model.patchSize ** 2;
    const tiles = this.#tiled('patchTiles', rows, patch.inputs);
    const embedded = arena.buffer('embeddedPatches', 4 * rows * width);
    const sizes = { width, patches, classTokens: Number(model.hasClassToken), epsilon };
    const norm = { weight: preNorm?.weight ?? embeddings };
    const constants = { HAS_NORM: !!preNorm };
    const context = { arena, target: arena.gpu.target };
    this.forward.push(
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
        batch * this.#tokens,
        sizes,
        { patches: embedded, embeddings, ...norm, bias: preNorm?.bias ?? embeddings, stream },
        constants,
      ),
    );
    return async () => {
      const scaled = this.#tiled('gradPatchTiles', rows, width);
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
    };
  }

  /**
   * One layer: x += out(attention(norm1(x))); x += fc2(act(fc1(norm2(x)))). `y` is `x` itself, or the stream of one row an image.
   * Returns the maker of its backward dispatches.
   */
  async #layer(
    label: string,
    layer: PackedLayer,
    { tokens, queries, kind }: LayerRows,
    x: GPUBuffer,
    y: GPUBuffer,
    gradX: GPUBuffer,
    gradY: GPUBuffer,
  ): Promise<() => Promise<Dispatch[]>> {
    const { arena, model, batch } = this;
    const { width, activation, epsilon, headCount, headWidth } = model;
    const headTiles = this.#headTiles;
    const [rows, outputRows] = [batch * tokens, batch * queries];
    const limit = Math.sqrt(width);
    const headScale = safeScale(layer.qkv.rowNorm * limit + layer.qkv.biasLimit);
    const hiddenScale = safeScale(layer.fc1.rowNorm * limit + layer.fc1.biasLimit);
    const inner = layer.fc1.outputs;
    const firstPart = kind === 'attention' ? 1 : 0;

    const normalised1 = this.#tiled(`${label}/normalised1`, rows, width, 'normalised');
    const deviations1 = this.#floats(`${label}/deviations1`, rows, 'deviations');
    const normalised2 = this.#tiled(`${label}/normalised2`, outputRows, width, 'normalised');
    const deviations2 = this.#floats(`${label}/deviations2`, outputRows, 'deviations');
    const sectionSize = batch * headCount * Math.ceil(tokens / 16) * headTiles * 256;
    const heads = this.#halves(`${label}/heads`, 5 * sectionSize, 'heads');
    const output = this.#tiled(`${label}/attended`, outputRows, 16 * headCount * headTiles, 'attended');
    const logSums = this.#floats(`${label}/logSums`, batch * headCount * queries, 'logSums');
    const inputs = this.#tiled(`${label}/inputs`, outputRows, inner, 'inputs');
    const hidden = this.#scratchOf('hidden', 2 * tiledSize(outputRows, inner));

    const attention: AttentionUse = {
      arena,
      images: batch,
      headCount,
      headTiles,
      headWidth,
      tokens,
      queries,
      heads,
      sectionSize,
      headScale,
      sharedQueries: kind === 'attention' && model.pooling.kind === kind ? model.pooling.queries : undefined,
      output,
      logSums,
    };
    const residual =
      kind === 'all'
        ? { accumulates: true }
        : kind === 'class'
          ? { residual: x, residualStride: tokens }
          : {};
    const common = { arena, direction: 'forward' as const };
    this.forward.push(
      await dispatchRowGroups(
        arena,
        NORMALISE,
        rows,
        { width, epsilon },
        { x, normalised: normalised1, reciprocalDeviations: deviations1 },
      ),
      await dispatchLinearHeads({
        ...common,
        layer: layer.qkv,
        rows,
        a: normalised1,
        heads,
        headCount,
        headTiles,
        tokens,
        sectionSize,
        firstPart,
        outputScale: headScale,
      }),
      await dispatchAttention(attention),
      await dispatchLinear({
        ...common,
        layer: layer.out,
        rows: outputRows,
        a: output,
        columns: width,
        y,
        scale: 1 / headScale,
        ...residual,
      }),
      await dispatchRowGroups(
        arena,
        NORMALISE,
        outputRows,
        { width, epsilon },
        { x: y, normalised: normalised2, reciprocalDeviations: deviations2 },
      ),
      await dispatchLinearActivation({
        arena,
        layer: layer.fc1,
        rows: outputRows,
        a: normalised2,
        activation,
        scale: 1,
        outputScale: hiddenScale,
        inputs,
        hidden,
      }),
      await dispatchLinear({
        ...common,
        layer: layer.fc2,
        rows: outputRows,
        a: hidden,
        columns: width,
        y,
        scale: 1 / hiddenScale,
        accumulates: true,
      }),
    );

    return async () => {
      // Rows of a scaled gradient are below 1, so their lengths are at most √width.
      const gradHiddenScale = safeScale(1.2 * layer.fc2.columnNorm * limit);
      const outputLimit = layer.out.columnNorm * limit;
      const gradOutputScale = safeScale(outputLimit);
      const valueLimit = headScale * (layer.qkv.rowNorm * limit + layer.qkv.biasLimit);
      const gradScale = safeScale(2 * headWidth * gradOutputScale * outputLimit * valueLimit);
      const gradHeadWidth = (3 - firstPart) * headCount * headTiles * 16;
      const queryTiles = Math.ceil(queries / 16);
      const suffix = kind === 'all' ? '' : '/pool';

      const scaledY = this.#scratchOf(`scaled${suffix}`, 2 * tiledSize(outputRows, width));
      const rowScalesY = this.#scratchOf(`rowScales${suffix}`, 4 * outputRows);
      const gradInputs = this.#scratchOf(`gradInputs${suffix}`, 2 * tiledSize(outputRows, inner));
      const gradNormalised = this.#scratchOf('gradNormalised', 4 * rows * width);
      const gradOutput = this.#scratchOf(
        `gradOutput${suffix}`,
        2 * batch * headCount * queryTiles * headTiles * 256,
      );
      const dots = this.#scratchOf('dots', 4 * batch * headCount * tokens);
      const gradHeads = this.#scratchOf('gradHeads', 4 * rows * gradHeadWidth);
      const scaledHeads = this.#scratchOf(`scaledHeads${firstPart}`, 2 * tiledSize(rows, gradHeadWidth));
      const headRowScales = this.#scratchOf('headRowScales', 4 * rows);
      const unused = this.#scratchOf('unused', 16);
      const scaledX = this.#scratchOf('scaled', 2 * tiledSize(rows, width));
      const rowScalesX = this.#scratchOf('rowScales', 4 * rows);
      const back = { arena, direction: 'backward' as const };
      return [
        await dispatchLinearActivationBackward({
          arena,
          layer: layer.fc2,
          rows: outputRows,
          a: scaledY,
          activation,
          scale: gradHiddenScale,
          inputScale: hiddenScale,
          inputs,
          gradInputs,
        }),
        await dispatchLinear({
          ...back,
          layer: layer.fc1,
          rows: outputRows,
          a: gradInputs,
          columns: width,
          y: gradNormalised,
          scale: 1 / gradHiddenScale,
          rowScales: rowScalesY,
        }),
        await dispatchRowGroups(
          arena,
          NORMALISE_BACKWARD,
          outputRows,
          { width, tokens },
          {
            gradNormalised,
            normalised: normalised2,
            reciprocalDeviations: deviations2,
            pooled: unused,
            gradient: gradY,
            scaled: scaledY,
            rowScales: rowScalesY,
          },
          { INCOMING: INCOMING.sameRows },
        ),
        await dispatchLinearHeads({
          ...back,
          layer: layer.out,
          rows: outputRows,
          a: scaledY,
          heads: gradOutput,
          headCount,
          headTiles,
          tokens: queries,
          sectionSize: 0,
          firstPart: 0,
          outputScale: gradOutputScale,
        }),
        ...(await dispatchAttentionBackward({
          ...attention,
          gradOutput,
          gradOutputScale,
          rowScales: rowScalesY,
          gradScale,
          dots,
          gradHeads,
        })),
        await dispatchRowGroups(
          arena,
          SCALE_ROWS,
          rows,
          { width: gradHeadWidth },
          { gradient: gradHeads, scaled: scaledHeads, rowScales: headRowScales },
        ),
        await dispatchLinear({
          ...back,
          layer: layer.qkv,
          rows,
          a: scaledHeads,
          columns: width,
          y: gradNormalised,
          rowScales: headRowScales,
        }),
        await dispatchRowGroups(
          arena,
          NORMALISE_BACKWARD,
          rows,
          { width, tokens },
          {
            gradNormalised,
            normalised: normalised1,
            reciprocalDeviations: deviations1,
            pooled: kind === 'class' ? gradY : unused,
            gradient: gradX,
            scaled: scaledX,
            rowScales: rowScalesX,
          },
          {
            INCOMING:
              kind === 'all' ? INCOMING.sameRows : kind === 'class' ? INCOMING.pooled : INCOMING.nothing,
          },
        ),
      ];
    };
  }

  /** The pooled stream to embeddings, and back. */
  async #project(projection: PackedLinear | undefined): Promise<() => Promise<Dispatch[]>> {
    const { arena, model, batch, embeds, gradEmbeds, dimensions } = this;
    const { width, epsilon } = model;
    if (!projection) {
      return async () => [
        await dispatchRowGroups(
          arena,
          SCALE_ROWS,
          batch,
          { width },
          {
            gradient: gradEmbeds,
            scaled: this.#scratchOf('scaled/pool', 2 * tiledSize(batch, width)),
            rowScales: this.#scratchOf('rowScales/pool', 4 * batch),
          },
        ),
      ];
    }
    const normalised = this.#tiled('project/normalised', batch, width);
    const reciprocalDeviations = arena.buffer('project/deviations', 4 * batch);
    this.forward.push(
      await dispatchRowGroups(
        arena,
        NORMALISE,
        batch,
        { width, epsilon },
        { x: this.#pooled, normalised, reciprocalDeviations },
      ),
      await dispatchLinear({
        arena,
        layer: projection,
        direction: 'forward',
        rows: batch,
        a: normalised,
        columns: dimensions,
        y: embeds,
      }),
    );
    return async () => {
      const scaledEmbeds = this.#tiled('gradEmbedTiles', batch, dimensions);
      const embedScales = arena.buffer('gradEmbedScales', 4 * batch);
      const gradNormalised = this.#scratchOf('gradNormalised', 4 * batch * this.#tokens * width);
      return [
        await dispatchRowGroups(
          arena,
          SCALE_ROWS,
          batch,
          { width: dimensions },
          { gradient: gradEmbeds, scaled: scaledEmbeds, rowScales: embedScales },
        ),
        await dispatchLinear({
          arena,
          layer: projection,
          direction: 'backward',
          rows: batch,
          a: scaledEmbeds,
          columns: width,
          y: gradNormalised,
          rowScales: embedScales,
        }),
        await dispatchRowGroups(
          arena,
          NORMALISE_BACKWARD,
          batch,
          { width, tokens: 1 },
          {
            gradNormalised,
            normalised,
            reciprocalDeviations,
            pooled: this.#scratchOf('unused', 16),
            gradient: this.#gradPooled,
            scaled: this.#scratchOf('scaled/pool', 2 * tiledSize(batch, width)),
            rowScales: this.#scratchOf('rowScales/pool', 4 * batch),
          },
          { INCOMING: INCOMING.nothing },
        ),
      ];
    };
  }

  /** A buffer that backward reads: one of its own, or without backward the shared one of its kind. */
  #saved(label: string, bytes: number, kind = label): GPUBuffer {
    return this.hasBackward ? this.arena.buffer(label, bytes) : this.#scratchOf(kind, bytes);
  }

  #floats(label: string, count: number, kind?: string): GPUBuffer {
    return this.#saved(label, 4 * count, kind);
  }

  #halves(label: string, count: number, kind?: string): GPUBuffer {
    return this.#saved(label, 2 * count, kind);
  }

  #tiled(label: string, rows: number, columns: number, kind?: string): GPUBuffer {
    return this.#halves(label, tiledSize(rows, columns), kind);
  }

  /** A buffer of the backward pass. */
  #gradient(label: string, count: number): GPUBuffer {
    return this.arena.buffer(label, this.hasBackward ? 4 * count : 16);
  }

  /** The buffer that all layers share under a name. Uses of one name ask for the largest size first, or for the same. */
  #scratchOf(name: string, bytes: number): GPUBuffer {
    const key = this.#scratch.get(name)?.size ?? 0;
    if (key < bytes) this.#scratch.set(name, this.arena.buffer(name, bytes));
    return this.#scratch.get(name)!;
  }
}

function tiledSize(rows: number, columns: number): number {
  return Math.ceil(rows / 16) * Math.ceil(columns / 16) * 256;
}
