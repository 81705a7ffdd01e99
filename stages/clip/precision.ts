import { type Gpu, GpuError } from '../../wgsl/core/index.ts';
import type { Towers } from './towers.ts';

/** Numbers of the image encoder: f16 operands with f32 sums on tensor cores, or f32. */
export const PRECISIONS = ['f16', 'f32'] as const;
export type Precision = (typeof PRECISIONS)[number];

/**
 * The precision for a model on a device: `auto` is f16 where the device multiplies f16 matrices on tensor cores and the kernels take the
 * model's heads, else f32.
 * @throws GpuError for f16 where one of both is not so.
 */
export function resolvePrecision(gpu: Gpu, towers: Towers, wanted: Precision | 'auto'): Precision {
  if (wanted === 'f32') return 'f32';
  const reason = gpu.hasMatrices
    ? packingLimit(towers)
    : 'this adapter offers no products of f16 matrices of 16 × 16 (subgroup matrices)';
  if (!reason) return 'f16';
  if (wanted === 'auto') return 'f32';
  throw new GpuError(`the CLIP model cannot run in f16: ${reason}. Use precision: f32 or auto`);
}

/** The widest head that the attention kernels take. */
const MAX_HEAD_WIDTH = 128;

/** Why the image encoder of a model cannot run on tensor cores, or undefined if it can. */
export function packingLimit({ vision, dimensions }: Towers): string | undefined {
  for (const [name, size] of Object.entries({ width: vision.width, 'width of embeddings': dimensions })) {
    if (size % 4) return `its ${name}, ${size}, is not a multiple of 4`;
  }
  const headWidth = vision.width / vision.heads;
  if (headWidth <= MAX_HEAD_WIDTH) return undefined;
  return `its attention heads are ${headWidth} wide; the kernels take ${MAX_HEAD_WIDTH} at most`;
}
