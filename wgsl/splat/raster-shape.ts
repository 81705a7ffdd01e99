import type { Gpu, KernelTarget } from '../core/index.ts';

/** Gaussians of a tile that one subgroup of the backward pass takes at a time. A multiple of every subgroup's size. */
export const BUCKET = 64;

/** Side of a tile in pixels. A CPU saves pixels with small tiles; a GPU has the threads, and saves sorting with large ones. */
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
 * @throws Error for a tile that the variants for a CPU are not written for.
 */
export function shapeOf(gpu: Gpu, label: string, given: Partial<RasterShape>): RasterShape {
  const { target = gpu.target } = given;
  const { tile = tileFor({ target }) } = given;
  if (target === 'cpu' && tile !== TILE.cpu) {
    throw new Error(`${label}: the target cpu has tiles of ${TILE.cpu}, got ${tile}`);
  }
  return { target, tile };
}

/** How many tiles cover a picture. */
export function tilesOf({ width, height }: { width: number; height: number }, tile: number): number {
  return Math.ceil(width / tile) * Math.ceil(height / tile);
}

/** How many buckets a rasteriser with room for `intersections` can have, and how many of them begin in a stored state. */
export function bucketRoom({
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
  // Every bucket but a tile's last is full, and a tile's first has no state.
  const full = Math.floor(intersections / BUCKET);
  return { buckets: tilesOf({ width, height }, tile) + full, states: full };
}
