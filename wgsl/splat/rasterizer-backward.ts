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

/** Floats that each (tile, Gaussian) intersection leaves for its Gaussian. */
const GRADIENTS = 9;
const BYTES_PER_INTERSECTION = 4 * GRADIENTS;
/** Groups of one subgroup each, over the buckets: several for each that a large GPU holds at once. */
const MAX_SUBGROUPS = 16384;

/** Bytes of an intersection in the widest buffer: its gradients, or with subgroups its share of the pixels' states. */
export function bytesPerIntersection(gpu: Gpu): number {
  return Math.max(BYTES_PER_INTERSECTION, subgroupFor(gpu) ? (16 * tileFor(gpu) ** 2) / BUCKET : 0);
}

/**
 * The rasteriser's backward pass: from an image gradient to nine sums per (tile, splat) intersection, in a fixed order.
 * Record it after the same view's forward pass. `SplatAdam` turns the sums into moved parameters, `ParameterGradients` into gradients.
 */
export class RasterizerBackward {
  /** f32 [H,W,4]: dL/dr, dL/dg, dL/db, dL/dalpha; the caller fills it. */
  readonly gradImage: GPUBuffer;
  /** f32 [intersections, GRADIENTS]: the sums, with a Gaussian's intersections in a row. */
  readonly intersectionGradients: GPUBuffer;
  readonly #blend: BoundKernel;
  readonly #groups: readonly [number, number, number];

  private constructor(
    gradImage: GPUBuffer,
    intersectionGradients: GPUBuffer,
    blend: BoundKernel,
    groups: readonly [number, number, number],
  ) {
    this.gradImage = gradImage;
    this.intersectionGradients = intersectionGradients;
    this.#blend = blend;
    this.#groups = groups;
  }

  static async create(gpu: Gpu, arena: Arena, forward: Rasterizer): Promise<RasterizerBackward> {
    const { label, width, height, intersections } = forward.options;
    if (!forward.options.backward) throw new Error(`${label}: this rasterizer was made without \`backward\``);
    const blend = await blendKernel(gpu, forward);
    const intersectionGradients = arena.buffer(
      `${label}/intersectionGradients`,
      BYTES_PER_INTERSECTION * intersections,
    );
    const gradImage = arena.buffer(`${label}/gradImage`, 16 * width * height);
    const bound = blend.kernel.bind({ ...blend.buffers, gradImage, intersectionGradients });
    return new RasterizerBackward(gradImage, intersectionGradients, bound, blend.groups);
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
  const {
    view,
    projected,
    tileStarts,
    sortedIntersections,
    gaussianFromIntersection,
    lastContributor,
    buckets,
    transmittance,
  } = internals;
  const shared = {
    view,
    tileStarts,
    sortedIntersections,
    gaussianFromIntersection,
    projected,
    lastContributor,
  };
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
