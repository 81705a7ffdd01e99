import type { Gpu } from '../core/index.ts';

// How the rasteriser is built: by adapter, its tiles and which of the kernels of one purpose it takes; and what follows from that.

/** Splats of a tile that the backward pass takes at once, on adapters with subgroups. A multiple of their size. */
export const BUCKET = 64;

/** Sizes that the kernels for subgroups are written for. */
const SUBGROUPS = [4, 8, 16, 32];

/** A CPU spares work with small tiles; a GPU has the threads, and spares sorting with large ones. */
export function tileFor(gpu: Gpu): number {
  return gpu.target === 'cpu' ? 8 : 16;
}

/** The adapter's subgroup size where the kernels for subgroups gain by it, otherwise 0. */
export function subgroupFor(gpu: Gpu): number {
  return gpu.target === 'subgroup' ? gpu.subgroupSize : 0;
}

/** Sizes of vectors that the kernels for a CPU are written for, and the side of their tiles. */
const LANES = [4, 8, 16];
const LANES_TILE = 8;

/** Lanes that a software adapter runs as one vector where the kernels for a CPU are written for tiles of this side; otherwise 0. */
export function lanesFor(gpu: Gpu, tile = tileFor(gpu)): number {
  return gpu.target === 'cpu' && tile === LANES_TILE ? gpu.subgroupSize : 0;
}

export interface RasterShape {
  /** Side of a tile in pixels. */
  tile: number;
  /** Subgroup size of the kernels for subgroups, or 0. */
  subgroup: number;
  /** Lanes of the kernels for a CPU, or 0. */
  lanes: number;
}

/**
 * What the adapter is fast with, but for what is given.
 * @throws Error for what the kernels are not written for.
 */
export function shapeOf(gpu: Gpu, label: string, given: Partial<RasterShape>): RasterShape {
  const { subgroup = subgroupFor(gpu), tile = tileFor(gpu) } = given;
  const { lanes = subgroup ? 0 : lanesFor(gpu, tile) } = given;
  if (subgroup && !SUBGROUPS.includes(subgroup)) {
    throw new Error(`${label}: subgroups of ${SUBGROUPS.join(', ')} invocations or 0, got ${subgroup}`);
  }
  if (lanes && (subgroup || tile !== LANES_TILE || !LANES.includes(lanes))) {
    throw new Error(
      `${label}: ${LANES.join(', ')} lanes or 0, tiles of ${LANES_TILE} and no subgroups, ` +
        `got ${lanes}, tiles of ${tile} and subgroups of ${subgroup}`,
    );
  }
  return { tile, subgroup, lanes };
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
