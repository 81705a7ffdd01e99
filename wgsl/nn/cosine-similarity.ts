import { type Dispatch, type DispatchContext, defineRowwise, dispatchRows } from './dispatch.ts';

export const COSINE_SIMILARITY = defineRowwise(
  'nn/cosine-similarity',
  new URL('./cosine-similarity.wgsl', import.meta.url),
);
export const COSINE_SIMILARITY_BACKWARD = defineRowwise(
  'nn/cosine-similarity-backward',
  new URL('./cosine-similarity-backward.wgsl', import.meta.url),
);

/** Rows of x, and their targets. */
export interface CosineShape {
  rows: number;
  width: number;
  /** `targets` is [width], one target for all rows, instead of [rows, width]. */
  isShared: boolean;
  /** First of the rows of x; 0 unless given. */
  firstRow?: number;
}

/** Cosine similarity of rows of x [≥ rows, width] with targets of unit length → cosines [rows]. Targets have no gradient. */
export function dispatchCosines(
  context: DispatchContext,
  shape: CosineShape,
  bindings: { x: GPUBuffer; targets: GPUBuffer; cosines: GPUBuffer },
): Promise<Dispatch> {
  return dispatchRows(context, COSINE_SIMILARITY, { sizes: sizesOf(shape), bindings });
}

/** Its gradient: overwrites the rows of gradX, or adds to them if it `accumulates`. */
export function dispatchCosinesBackward(
  context: DispatchContext,
  shape: CosineShape,
  bindings: { x: GPUBuffer; targets: GPUBuffer; gradCosines: GPUBuffer; gradX: GPUBuffer },
  accumulates: boolean,
): Promise<Dispatch> {
  const sizes = { ...sizesOf(shape), accumulates: Number(accumulates) };
  return dispatchRows(context, COSINE_SIMILARITY_BACKWARD, { sizes, bindings });
}

function sizesOf({ rows, width, isShared, firstRow = 0 }: CosineShape) {
  return { rows, width, targetStride: isShared ? 0 : width, firstRow };
}
