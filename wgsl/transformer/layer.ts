import type { Dispatch } from '../nn/dispatch.ts';
import {
  type AttentionUse,
  attentionPairBytes,
  dispatchAttention,
  dispatchAttentionBackward,
} from './attention.ts';
import type { EncoderBuffers, EncoderPart } from './encoder-buffers.ts';
import {
  dispatchLinear,
  dispatchLinearActivation,
  dispatchLinearActivationBackward,
  dispatchLinearHeads,
} from './product.ts';
import {
  dispatchRowGroups,
  dispatchRows,
  INCOMING,
  NORMALISE,
  NORMALISE_BACKWARD,
  SCALE_ROWS,
} from './rows.ts';
import { type PackedEncoder, type PackedLayer, safeScale } from './weights.ts';

interface LayerUse {
  buffers: EncoderBuffers;
  model: PackedEncoder;
  label: string;
  layer: PackedLayer;
  batch: number;
  /** Token rows an image of the layer's input. */
  tokens: number;
  /** Of the layer that leaves one row an image; the others have as many rows as their input. */
  pooling?: PackedEncoder['pooling'];
  /** f32 residual stream of the input, and of the output: the same buffer without pooling. */
  x: GPUBuffer;
  y: GPUBuffer;
  gradX: GPUBuffer;
  gradY: GPUBuffer;
}

/** One layer: x += out(attention(norm1(x))); x += fc2(act(fc1(norm2(x)))). */
export async function buildLayer(use: LayerUse): Promise<EncoderPart> {
  const attention = await buildAttentionBlock(use);
  const mlp = await buildMlpBlock(use);
  return {
    forward: [...attention.forward, ...mlp.forward],
    backward: async () => [...(await mlp.backward()), ...(await attention.backward())],
  };
}

/** The gradient of a layer's output in f16, its rows divided by powers of two. The layer after it and the MLP block write it. */
function scaledGradient({ buffers, model, batch, tokens, pooling }: LayerUse) {
  const rows = batch * (pooling ? 1 : tokens);
  const suffix = pooling ? '/pool' : '';
  return {
    scaled: buffers.scratchTiled(`scaled${suffix}`, rows, model.width),
    rowScales: buffers.scratchFloats(`rowScales${suffix}`, rows),
  };
}

/** y = x + out(attention(norm1(x))), without x if the queries are shared. */
async function buildAttentionBlock(use: LayerUse): Promise<EncoderPart> {
  const { buffers, model, label, layer, batch, tokens, pooling, x, y, gradX, gradY } = use;
  const { arena } = buffers;
  const { width, epsilon, headCount, headWidth } = model;
  const headTiles = Math.ceil(headWidth / 16);
  const queries = pooling ? 1 : tokens;
  const [rows, outputRows] = [batch * tokens, batch * queries];
  const limit = Math.sqrt(width);
  const headScale = safeScale(layer.qkv.rowNorm * limit + layer.qkv.biasLimit);
  const sharedQueries = pooling?.kind === 'attention' ? pooling.queries : undefined;
  const firstPart = sharedQueries ? 1 : 0;

  const normalised = buffers.tiled(`${label}/normalised1`, rows, width, 'normalised');
  const reciprocalDeviations = buffers.floats(`${label}/deviations1`, rows, 'deviations');
  const sectionSize = batch * headCount * Math.ceil(tokens / 16) * headTiles * 256;
  const heads = buffers.halves(`${label}/heads`, 3 * sectionSize, 'heads');
  const output = buffers.tiled(`${label}/attended`, outputRows, 16 * headCount * headTiles, 'attended');
  const logSums = buffers.floats(`${label}/logSums`, batch * headCount * queries, 'logSums');
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
    sharedQueries,
    output,
    logSums,
  };
  const residual = !pooling
    ? { accumulates: true }
    : pooling.kind === 'class'
      ? { residual: x, residualStride: tokens }
      : {};
  const forward = [
    await dispatchRows(arena, NORMALISE, rows, { width, epsilon }, { x, normalised, reciprocalDeviations }),
    await dispatchLinearHeads({
      arena,
      layer: layer.qkv,
      direction: 'forward',
      rows,
      a: normalised,
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
      arena,
      layer: layer.out,
      direction: 'forward',
      rows: outputRows,
      a: output,
      columns: width,
      y,
      scale: 1 / headScale,
      ...residual,
    }),
  ];

  async function backward(): Promise<Dispatch[]> {
    // Rows of a scaled gradient are below 1, so their lengths are at most √width.
    const outputLimit = layer.out.columnNorm * limit;
    const gradOutputScale = safeScale(outputLimit);
    const valueLimit = headScale * (layer.qkv.rowNorm * limit + layer.qkv.biasLimit);
    const gradScale = safeScale(2 * headWidth * gradOutputScale * outputLimit * valueLimit);
    const gradHeadWidth = (3 - firstPart) * headCount * headTiles * 16;
    const queryTiles = Math.ceil(queries / 16);

    const gradY16 = scaledGradient(use);
    const gradOutput = buffers.scratchHalves(
      `gradOutput${pooling ? '/pool' : ''}`,
      batch * headCount * queryTiles * headTiles * 256,
    );
    const pairs = buffers.scratchHalves(
      `pairs${pooling ? '/pool' : ''}`,
      attentionPairBytes(batch, { headCount, tokens, queries }) / 2,
    );
    const gradHeads = buffers.scratchFloats(`gradHeads${firstPart}`, rows * gradHeadWidth);
    const scaledHeads = buffers.scratchTiled(`scaledHeads${firstPart}`, rows, gradHeadWidth);
    const headRowScales = buffers.scratchFloats('headRowScales', rows);
    const gradNormalised = buffers.scratchFloats('gradNormalised', rows * width);
    const incoming = !pooling ? 'sameRows' : pooling.kind === 'class' ? 'pooled' : 'nothing';
    return [
      await dispatchLinearHeads({
        arena,
        layer: layer.out,
        direction: 'backward',
        rows: outputRows,
        a: gradY16.scaled,
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
        rowScales: gradY16.rowScales,
        gradScale,
        pairs,
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
        arena,
        layer: layer.qkv,
        direction: 'backward',
        rows,
        a: scaledHeads,
        columns: width,
        y: gradNormalised,
        rowScales: headRowScales,
      }),
      await dispatchRows(
        arena,
        NORMALISE_BACKWARD,
        rows,
        { width, tokens },
        {
          gradNormalised,
          normalised,
          reciprocalDeviations,
          pooled: incoming === 'pooled' ? gradY : buffers.scratchFloats('unused', 4),
          gradient: gradX,
          ...scaledGradient({ ...use, pooling: undefined }),
        },
        { INCOMING: INCOMING[incoming] },
      ),
    ];
  }
  return { forward, backward };
}

/** y += fc2(act(fc1(norm2(y)))) */
async function buildMlpBlock(use: LayerUse): Promise<EncoderPart> {
  const { buffers, model, label, layer, batch, tokens, pooling, y, gradY } = use;
  const { arena } = buffers;
  const { width, activation, epsilon } = model;
  const rows = batch * (pooling ? 1 : tokens);
  const limit = Math.sqrt(width);
  const hiddenScale = safeScale(layer.fc1.rowNorm * limit + layer.fc1.biasLimit);
  const inner = layer.fc1.outputs;

  const normalised = buffers.tiled(`${label}/normalised2`, rows, width, 'normalised');
  const reciprocalDeviations = buffers.floats(`${label}/deviations2`, rows, 'deviations');
  const inputs = buffers.tiled(`${label}/inputs`, rows, inner, 'inputs');
  const hidden = buffers.scratchTiled('hidden', rows, inner);
  const forward = [
    await dispatchRows(
      arena,
      NORMALISE,
      rows,
      { width, epsilon },
      { x: y, normalised, reciprocalDeviations },
    ),
    await dispatchLinearActivation({
      arena,
      layer: layer.fc1,
      rows,
      a: normalised,
      activation,
      scale: 1,
      outputScale: hiddenScale,
      inputs,
      hidden,
    }),
    await dispatchLinear({
      arena,
      layer: layer.fc2,
      direction: 'forward',
      rows,
      a: hidden,
      columns: width,
      y,
      scale: 1 / hiddenScale,
      accumulates: true,
    }),
  ];

  async function backward(): Promise<Dispatch[]> {
    // Rows of a scaled gradient are below 1, so their lengths are at most √width.
    const gradHiddenScale = safeScale(1.2 * layer.fc2.columnNorm * limit);
    const gradY16 = scaledGradient(use);
    const gradInputs = buffers.scratchTiled(`gradInputs${pooling ? '/pool' : ''}`, rows, inner);
    const gradNormalised = buffers.scratchFloats('gradNormalised', batch * tokens * width);
    return [
      await dispatchLinearActivationBackward({
        arena,
        layer: layer.fc2,
        rows,
        a: gradY16.scaled,
        activation,
        scale: gradHiddenScale,
        inputScale: hiddenScale,
        inputs,
        gradInputs,
      }),
      await dispatchLinear({
        arena,
        layer: layer.fc1,
        direction: 'backward',
        rows,
        a: gradInputs,
        columns: width,
        y: gradNormalised,
        scale: 1 / gradHiddenScale,
        rowScales: gradY16.rowScales,
      }),
      await dispatchRows(
        arena,
        NORMALISE_BACKWARD,
        rows,
        { width, tokens },
        {
          gradNormalised,
          normalised,
          reciprocalDeviations,
          pooled: buffers.scratchFloats('unused', 4),
          gradient: gradY,
          ...gradY16,
        },
        { INCOMING: INCOMING.sameRows },
      ),
    ];
  }
  return { forward, backward };
}
