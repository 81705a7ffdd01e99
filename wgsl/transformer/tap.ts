import { dispatchAddToSlice, dispatchSlice } from '../nn/slice.ts';
import type { EncoderBuffers, EncoderPart } from './encoder-buffers.ts';
import { dispatchRowGroups, SCALE_ROWS } from './rows.ts';

/** Some images of a batch whose tokens after a layer are read. */
export interface TokenTap {
  /** Number of layers before it: from 1, and less than all. */
  layer: number;
  /** Of the images. */
  first: number;
  count: number;
}

interface TapUse {
  buffers: EncoderBuffers;
  tap: TokenTap;
  batch: number;
  tokens: number;
  width: number;
  /** f32 [B·tokens, width]: the residual stream after the layer, and its gradient. */
  stream: GPUBuffer;
  gradStream: GPUBuffer;
  /** f32 [count·tokens, width]: the tokens that are read, and their gradient, which the backward pass adds. */
  tapped: GPUBuffer;
  gradTapped: GPUBuffer;
}

/** Copies tokens out of the stream, and adds their gradient to that of the stream. */
export async function buildTap(use: TapUse): Promise<EncoderPart> {
  const { buffers, tap, batch, tokens, width, stream, gradStream, tapped, gradTapped } = use;
  const { arena } = buffers;
  const part = { offset: tap.first * tokens * width, length: tap.count * tokens * width };
  const context = { arena, target: arena.gpu.target };
  const rows = batch * tokens;
  return {
    forward: [await dispatchSlice(context, part, { x: stream, y: tapped })],
    backward: async () => [
      await dispatchAddToSlice(context, part, { gradY: gradTapped, gradX: gradStream }),
      // The layer before reads the gradient in this form.
      await dispatchRowGroups(
        arena,
        SCALE_ROWS,
        rows,
        { width },
        {
          gradient: gradStream,
          scaled: buffers.scratchTiled('scaled', rows, width),
          rowScales: buffers.scratchFloats('rowScales', rows),
        },
      ),
    ],
  };
}
