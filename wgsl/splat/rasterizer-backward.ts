import {
  type Arena,
  type BoundKernel,
  type Gpu,
  gridFor,
  type Kernel,
  type Recorder,
} from '../core/index.ts';
import { BUCKET, bucketRoom, subgroupFor, tileFor } from './raster-shape.ts';
import type { Rasterizer } from './rasterizer.ts';

/** Floats that each (tile, splat) pair leaves for its Gaussian. */
const MOMENTS = 9;
const BYTES_PER_PAIR = 4 * MOMENTS;
/** Groups of one subgroup each, over the buckets: several for each that a large GPU holds at once. */
const MAX_SUBGROUPS = 16384;

/** What a pair takes in the widest buffer: its moments, or with subgroups its share of the pixels' states. */
export function bytesPerPair(gpu: Gpu): number {
  return Math.max(BYTES_PER_PAIR, subgroupFor(gpu) ? (16 * tileFor(gpu) ** 2) / BUCKET : 0);
}

/**
 * The rasteriser's backward pass: from an image gradient to nine sums per (tile, splat) intersection, in a fixed order.
 * Record it after the same view's forward pass. `SplatAdam` turns the sums into moved parameters, `ParameterGradients` into gradients.
 */
export class RasterizerBackward {
  /** f32 [H,W,4]: dL/dr, dL/dg, dL/db, dL/dalpha; the caller fills it. */
  readonly imageGradient: GPUBuffer;
  /** f32 [pairs, MOMENTS]: what the blending leaves, a Gaussian's pairs in a row. */
  readonly moments: GPUBuffer;
  readonly #blend: BoundKernel;
  readonly #groups: readonly [number, number, number];

  private constructor(
    imageGradient: GPUBuffer,
    moments: GPUBuffer,
    blend: BoundKernel,
    groups: readonly [number, number, number],
  ) {
    this.imageGradient = imageGradient;
    this.moments = moments;
    this.#blend = blend;
    this.#groups = groups;
  }

  static async create(gpu: Gpu, arena: Arena, forward: Rasterizer): Promise<RasterizerBackward> {
    const { label, width, height, intersections } = forward.options;
    if (!forward.options.backward) throw new Error(`${label}: this rasterizer was made without \`backward\``);
    const blend = await blendKernel(gpu, forward);
    const moments = arena.buffer(`${label}/moments`, BYTES_PER_PAIR * intersections);
    const imageGradient = arena.buffer(`${label}/image_gradient`, 16 * width * height);
    const bound = blend.kernel.bind({ ...blend.buffers, gradient: imageGradient, moments });
    return new RasterizerBackward(imageGradient, moments, bound, blend.groups);
  }

  record(recorder: Recorder): void {
    recorder.run(this.#blend, this.#groups);
  }
}

/** The kernel for the adapter, the grid, and what it reads of the forward pass. */
async function blendKernel(
  gpu: Gpu,
  { options, internals, color }: Rasterizer,
): Promise<{
  kernel: Kernel;
  groups: readonly [number, number, number];
  buffers: Record<string, GPUBuffer>;
}> {
  const { tile, subgroup, lanes, width, height } = options;
  const { view, splats, tileStarts, sortedPairs, gaussianFromPair, looked, buckets, transmittance } =
    internals;
  const shared = { view, tileStarts, sortedPairs, gaussianFromPair, splats, looked };
  if (buckets) {
    const kernel = await gpu.kernel({
      label: 'splat/rasterize-backward-blocks',
      source: new URL('./rasterize-backward-blocks.wgsl', import.meta.url),
      constants: { TILE: tile, SUBGROUP: subgroup, BUCKET },
      enables: ['subgroups'],
    });
    const { states, tiles: bucketTiles, depths: tileDepths } = buckets;
    return {
      kernel,
      groups: gridFor(Math.min(MAX_SUBGROUPS, bucketRoom(options).buckets), 1),
      buffers: { ...shared, color, states, bucketTiles, tileDepths },
    };
  }
  const kernel = lanes
    ? await gpu.kernel({
        label: 'splat/rasterize-backward-lanes',
        source: new URL('./rasterize-backward-lanes.wgsl', import.meta.url),
        constants: { TILE: tile, LANES: lanes },
        enables: ['subgroups'],
      })
    : await gpu.kernel({
        label: 'splat/rasterize-backward',
        source: new URL('./rasterize-backward.wgsl', import.meta.url),
        // The table takes 9 bytes a pixel and splat of the chunk: 16 KiB holds every adapter.
        constants: { TILE: tile, CHUNK: tile >= 16 ? 6 : 24 },
      });
  return {
    kernel,
    groups: gridFor(Math.ceil(width / tile) * Math.ceil(height / tile), 1),
    buffers: { ...shared, transmittance: transmittance! },
  };
}
