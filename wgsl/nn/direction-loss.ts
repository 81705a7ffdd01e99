import { type Dispatch, type DispatchContext, defineRowwise, dispatchRows } from './dispatch.ts';

/** Length of the change of a unit embedding below which the loss is linear in it. */
const MIN_LENGTH = 0.05;

export const DIRECTION_LOSS = defineRowwise(
  'nn/direction-loss',
  new URL('./direction-loss.wgsl', import.meta.url),
  { MIN_LENGTH },
);

export interface DirectionLossUse {
  rows: number;
  width: number;
  /** First of the rows of `embeds`. */
  firstRow: number;
  /** First of the rows of `base`; undefined if `base` is one row for all. */
  firstBase?: number;
  /** Of the mean over the rows. */
  weight: number;
  /** Rows with a smaller loss count as 0. */
  threshold: number;
}

/**
 * The directional CLIP loss (Gal et al. 2022, StyleGAN-NADA, eq. 2; with the threshold, the patch loss of CLIPstyler, Kwon and Ye
 * 2022, eq. 4 and 5) of rows of `embeds` [≥ rows, width]: 1 − the cosine between a direction of unit length and the change of
 * the unit embedding against `base`. Writes `losses` [rows] and adds the gradient of weight · mean to `gradEmbeds`. One kernel does both.
 */
export function dispatchDirectionLoss(
  context: DispatchContext,
  { rows, width, firstRow, firstBase, weight, threshold }: DirectionLossUse,
  bindings: {
    embeds: GPUBuffer;
    base: GPUBuffer;
    direction: GPUBuffer;
    losses: GPUBuffer;
    gradEmbeds: GPUBuffer;
  },
): Promise<Dispatch> {
  const baseStride = firstBase === undefined ? 0 : width;
  const sizes = { rows, width, firstRow, baseStride, firstBase: firstBase ?? 0, weight, threshold };
  return dispatchRows(context, DIRECTION_LOSS, { constants: { MIN_LENGTH }, sizes, bindings });
}
