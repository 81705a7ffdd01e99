import type { Gpu, KernelTarget } from '../core/index.ts';

/** Gaussians of a tile that one subgroup of the backward pass processes at a time. A multiple of every subgroup size. */
export const BUCKET = 64;

/** Side of a tile in pixels. Small tiles save pixels on a CPU; large ones save sorting on a GPU, which has enough threads. */
const TILE: Readonly<Record<KernelTarget, number>> = { subgroup: 16, portable: 16, cpu: 8 };

export function tileFor({ target }: { target: KernelTarget }): number {
  return TILE[target];
}

export interface RasterShape {
  /** The variant of the kernels. */
  target: KernelTarget;
  /** Side of a tile in pixels. */
  tile: number;
}

/**
 * The device's target and its tile, unless given.
 * @throws Error for a tile size that the variants for a CPU do not support.
 */
export function shapeOf(gpu: Gpu, label: string, given: Partial<RasterShape>): RasterShape {
  const { target = gpu.target } = given;
  const { tile = tileFor({ target }) } = given;
  if (target === 'cpu' && tile !== TILE.cpu) {
    throw new Error(`${label}: the target cpu has tiles of ${TILE.cpu}, got ${tile}`);
  }
  return { target, tile };
}

/** The number of tiles that cover a picture. */
export function tilesOf({ width, height }: { width: number; height: number }, tile: number): number {
  return Math.ceil(width / tile) * Math.ceil(height / tile);
}

/** Maximum number of buckets of a rasteriser with capacity for `intersections`, and of buckets that begin with a stored state. */
export function bucketCapacity({
  width,
  height,
  tile,
  intersections,
  backward,
}: {
  width: number;
  height: number;
  tile: number;
  intersections: number;
  backward: boolean;
}): { buckets: number; states: number } {
  if (!backward) return { buckets: 0, states: 0 };
  // Every bucket except a tile's last is full, and a tile's first has no stored state.
  const full = Math.floor(intersections / BUCKET);
  return { buckets: tilesOf({ width, height }, tile) + full, states: full };
}
