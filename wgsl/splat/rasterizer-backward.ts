import {
  type Arena,
  type BoundKernel,
  defineKernel,
  type Gpu,
  gridFor,
  type Kernel,
  type Recorder,
} from '../core/index.ts';
import { BUCKET, bucketCapacity, tileFor, tilesOf } from './raster-shape.ts';
import type { Rasterizer } from './rasterizer.ts';

export const RASTERIZE_BACKWARD = defineKernel({
  label: 'splat/rasterize-backward',
  example: { TILE: 16 },
  variants: {
    portable: { source: new URL('./rasterize-backward.wgsl', import.meta.url) },
    subgroup: {
      source: new URL('./rasterize-backward-subgroup.wgsl', import.meta.url),
      constants: { BUCKET },
      enables: ['subgroups'],
    },
    cpu: {
      source: new URL('./rasterize-backward-cpu.wgsl', import.meta.url),
      example: { TILE: tileFor({ target: 'cpu' }) },
      enables: ['subgroups'],
    },
  },
});

/** Floats per (tile, Gaussian) intersection: the sums for its Gaussian. */
const GRADIENTS = 9;
const BYTES_PER_INTERSECTION = 4 * GRADIENTS;
/** Groups of one subgroup each, over the buckets: several times the number that a large GPU runs at once. */
const MAX_SUBGROUPS = 16384;

/** Bytes of an intersection in the widest buffer: its gradients, or with subgroups its share of the pixels' states. */
export function bytesPerIntersection(gpu: Gpu): number {
  return Math.max(BYTES_PER_INTERSECTION, gpu.target === 'subgroup' ? (16 * tileFor(gpu) ** 2) / BUCKET : 0);
}

/**
 * The rasteriser's backward pass: from the gradient of the picture to nine sums per (tile, Gaussian) intersection, in a fixed
 * order. `SplatAdam` turns the sums into updated parameters, `ParameterGradients` into gradients.
 */
export class RasterizerBackward {
  /** f32 [H,W,4]: dL/dr, dL/dg, dL/db, dL/dalpha, rows the view's width apart; the caller fills it. */
  readonly gradImage: GPUBuffer;
  /** f32 [intersections, 9]: the sums, contiguous for each Gaussian. */
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

  /**
   * Compiles the kernel and allocates the buffers in the arena: 36 bytes an intersection and 16 a pixel.
   * @throws Error when `forward` was created with `backward: false`.
   */
  static async create(gpu: Gpu, arena: Arena, forward: Rasterizer): Promise<RasterizerBackward> {
    const { label, width, height, intersections } = forward.options;
    if (!forward.options.backward)
      throw new Error(`${label}: this rasterizer was created without \`backward\``);
    const blend = await blendKernel(gpu, forward);
    const intersectionGradients = arena.buffer(
      `${label}/intersectionGradients`,
      BYTES_PER_INTERSECTION * intersections,
    );
    const gradImage = arena.buffer(`${label}/gradImage`, 16 * width * height);
    const bound = blend.kernel.bind({ ...blend.buffers, gradImage, intersectionGradients });
    return new RasterizerBackward(gradImage, intersectionGradients, bound, blend.groups);
  }

  /** Record it after the forward pass of the same view, and after the work that fills `gradImage`. */
  record(recorder: Recorder): void {
    recorder.run(this.#blend, this.#groups);
  }
}

/** The kernel, its grid, and the buffers of the forward pass that it binds. */
async function blendKernel(
  gpu: Gpu,
  { options, internals, color }: Rasterizer,
): Promise<{
  kernel: Kernel;
  groups: readonly [number, number, number];
  buffers: Record<string, GPUBuffer>;
}> {
  const { tile, target } = options;
  const { view, projected, tileStarts, sortedIntersections, gaussianFromIntersection } = internals;
  const { lastContributor, buckets, transmittance } = internals;
  const shared = {
    view,
    tileStarts,
    sortedIntersections,
    gaussianFromIntersection,
    projected,
    lastContributor,
  };
  const kernel = await gpu.kernel(RASTERIZE_BACKWARD, { target, constants: { TILE: tile } });
  if (!buckets) {
    return {
      kernel,
      groups: gridFor(tilesOf(options, tile), 1),
      buffers: { ...shared, transmittance: transmittance! },
    };
  }
  const { states, tiles: bucketTiles, depths: tileDepths } = buckets;
  return {
    kernel,
    groups: gridFor(Math.min(MAX_SUBGROUPS, bucketCapacity(options).buckets), 1),
    buffers: { ...shared, color, states, bucketTiles, tileDepths },
  };
}
