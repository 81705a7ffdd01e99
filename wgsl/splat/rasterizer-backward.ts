import {
  type Arena,
  type BoundKernel,
  type Gpu,
  gridFor,
  type Kernel,
  type Recorder,
} from '../core/index.ts';
import { PlainGradients } from './plain-gradients.ts';
import { BUCKET, bucketRoom, subgroupFor, tileFor } from './raster-shape.ts';
import type { Rasterizer } from './rasterizer.ts';
import type { SplatBuffers } from './types.ts';

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
 * The rasteriser's backward pass: from an image gradient to the gradients of all raw parameters, in a fixed order of sums.
 * `record` after the same view's forward pass. Gradients of rows beyond the count are left as they were.
 */
export class RasterizerBackward {
  /** f32 [H,W,4]: dL/dr, dL/dg, dL/db, dL/dalpha; the caller fills it. */
  readonly imageGradient: GPUBuffer;
  /** f32 [pairs, MOMENTS]: what the blending leaves, a Gaussian's pairs in a row. `SplatAdam` goes on from it. */
  readonly moments: GPUBuffer;
  readonly #plain?: PlainGradients;
  readonly #blend: BoundKernel;
  readonly #groups: readonly [number, number, number];

  private constructor(
    outputs: Pick<RasterizerBackward, 'imageGradient' | 'moments'>,
    plain: PlainGradients | undefined,
    blend: BoundKernel,
    groups: readonly [number, number, number],
  ) {
    this.imageGradient = outputs.imageGradient;
    this.moments = outputs.moments;
    this.#plain = plain;
    this.#blend = blend;
    this.#groups = groups;
  }

  /**
   * `screen`: the caller's buffer for the statistics, f32 [rows, 2]; one of its own unless given. `plain: false` ends with the
   * moments: no gradients, no statistics, and no buffers for them.
   */
  static async create(
    gpu: Gpu,
    arena: Arena,
    forward: Rasterizer,
    { screen, plain = true }: { screen?: GPUBuffer; plain?: boolean } = {},
  ): Promise<RasterizerBackward> {
    const { label, width, height, intersections } = forward.options;
    if (!forward.options.backward) throw new Error(`${label}: this rasterizer was made without \`backward\``);
    const buffer = (role: string, bytes: number) => arena.buffer(`${label}/${role}`, bytes);
    const blend = await blendKernel(gpu, forward);
    const moments = buffer('moments', BYTES_PER_PAIR * intersections);
    const imageGradient = buffer('image_gradient', 16 * width * height);
    const gradients = plain
      ? await PlainGradients.create(gpu, arena, forward, moments, { screen })
      : undefined;
    return new RasterizerBackward(
      { imageGradient, moments },
      gradients,
      blend.kernel.bind({ ...blend.buffers, gradient: imageGradient, moments }),
      blend.groups,
    );
  }

  /** dL/d of means, logScales, quats (un-normalised), opacityLogits, sh: the shapes of the parameters. */
  get gradients(): SplatBuffers {
    return this.#written.gradients;
  }

  /** f32 [N,2]: ‖dL/d(mean in pixels)·size/2‖ and radius ÷ longest side; 0 where invisible. */
  get screen(): GPUBuffer {
    return this.#written.screen;
  }

  record(recorder: Recorder): void {
    recorder.run(this.#blend, this.#groups);
    this.#plain?.record(recorder);
  }

  get #written(): PlainGradients {
    if (!this.#plain) throw new Error('this backward pass ends with the moments');
    return this.#plain;
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
