import type { Dispatch } from '../nn/dispatch.ts';
import type { EncoderBuffers, EncoderPart } from './encoder-buffers.ts';
import { dispatchLinear } from './product.ts';
import {
  dispatchRowGroups,
  dispatchRows,
  INCOMING,
  NORMALISE,
  NORMALISE_BACKWARD,
  SCALE_ROWS,
} from './rows.ts';
import type { PackedEncoder } from './weights.ts';

interface ProjectionUse {
  buffers: EncoderBuffers;
  model: PackedEncoder;
  batch: number;
  /** Token rows of all images. */
  rows: number;
  /** f32 [B, width]: the stream of one row an image, and its gradient. */
  pooled: GPUBuffer;
  gradPooled: GPUBuffer;
  /** f32 [B, D]: the embeddings, and their gradient; those of the stream in a model without a projection. */
  embeds: GPUBuffer;
  gradEmbeds: GPUBuffer;
}

/** The pooled stream to embeddings: the last layer norm and the projection. */
export async function buildProjection(use: ProjectionUse): Promise<EncoderPart> {
  const { buffers, model, batch, rows, pooled, gradPooled, embeds, gradEmbeds } = use;
  const { arena } = buffers;
  const { width, epsilon, dimensions, projection } = model;

  /** The gradient of the stream as the last layer reads it. */
  function scaledGradient() {
    return {
      scaled: buffers.scratchTiled('scaled/pool', batch, width),
      rowScales: buffers.scratchFloats('rowScales/pool', batch),
    };
  }

  if (!projection) {
    return {
      forward: [],
      backward: async () => [
        await dispatchRowGroups(
          arena,
          SCALE_ROWS,
          batch,
          { width },
          { gradient: gradEmbeds, ...scaledGradient() },
        ),
      ],
    };
  }

  const normalised = buffers.tiled('project/normalised', batch, width);
  const reciprocalDeviations = arena.buffer('project/deviations', 4 * batch);
  const forward = [
    await dispatchRows(
      arena,
      NORMALISE,
      batch,
      { width, epsilon },
      { x: pooled, normalised, reciprocalDeviations },
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
  ];

  async function backward(): Promise<Dispatch[]> {
    const scaled = buffers.tiled('gradEmbedTiles', batch, dimensions);
    const rowScales = arena.buffer('gradEmbedScales', 4 * batch);
    const gradNormalised = buffers.scratchFloats('gradNormalised', rows * width);
    return [
      await dispatchRowGroups(
        arena,
        SCALE_ROWS,
        batch,
        { width: dimensions },
        { gradient: gradEmbeds, scaled, rowScales },
      ),
      await dispatchLinear({
        arena,
        layer: projection!,
        direction: 'backward',
        rows: batch,
        a: scaled,
        columns: width,
        y: gradNormalised,
        rowScales,
      }),
      await dispatchRows(
        arena,
        NORMALISE_BACKWARD,
        batch,
        { width, tokens: 1 },
        {
          gradNormalised,
          normalised,
          reciprocalDeviations,
          pooled: buffers.scratchFloats('unused', 4),
          gradient: gradPooled,
          ...scaledGradient(),
        },
        { INCOMING: INCOMING.nothing },
      ),
    ];
  }
  return { forward, backward };
}
