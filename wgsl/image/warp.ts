import {
  type Arena,
  type BoundKernel,
  defineKernel,
  gridFor,
  type Kernel,
  type Recorder,
} from '../core/index.ts';
import { type CropShape, MIN_SUM } from './crop.ts';
import { type Homography, leastReach } from './homography.ts';

const THREADS = 64;

export const WARP = defineKernel({
  label: 'image/warp',
  constants: { THREADS, MIN_SUM },
  example: { BATCH: 8, SIDE: 224 },
  variants: { portable: { source: new URL('./warp.wgsl', import.meta.url) } },
});
export const WARP_BACKWARD = defineKernel({
  label: 'image/warp-backward',
  constants: { THREADS },
  example: { BATCH: 8, SIDE: 224 },
  variants: { portable: { source: new URL('./warp-backward.wgsl', import.meta.url) } },
});

/** Buffers of a `WarpSampler`, and the place of its crops in the batch. */
export interface WarpTarget {
  /** f32 [≥ first + B, 3, S, S]: receives the crops. */
  pixels: GPUBuffer;
  first: number;
  /** u32 [1]: the first step whose gradient was not finite. */
  nonFiniteStep: GPUBuffer;
}

/** The differentiable crop by homographies, beside `CropSampler`, whose maps are affine: the same filter, with a local scale. */
export class WarpSampler {
  readonly #arena: Arena;
  readonly #shape: CropShape;
  readonly #target: WarpTarget;
  readonly #forward: Kernel;
  readonly #backward: Kernel;
  readonly #picture: GPUBuffer;
  readonly #warps: GPUBuffer;
  readonly #filters: GPUBuffer;
  readonly #forwardOf = new Map<GPUBuffer, BoundKernel>();
  readonly #backwardOf = new Map<GPUBuffer, BoundKernel>();
  #pixelCount = 0;

  private constructor(
    arena: Arena,
    shape: CropShape,
    target: WarpTarget,
    { forward, backward }: { forward: Kernel; backward: Kernel },
  ) {
    this.#arena = arena;
    this.#shape = shape;
    this.#target = target;
    this.#forward = forward;
    this.#backward = backward;
    this.#picture = arena.uniform('warp/picture', forward.struct('WarpedPicture').size);
    this.#warps = arena.buffer('warp/warps', shape.batch * forward.struct('Warp').size);
    this.#filters = arena.buffer('warp/filters', 16 * shape.batch * shape.size ** 2);
  }

  /** `arena` owns the buffers other than those of `target`. */
  static async create(arena: Arena, shape: CropShape, target: WarpTarget): Promise<WarpSampler> {
    const constants = { BATCH: shape.batch, SIDE: shape.size };
    const [forward, backward] = await Promise.all([
      arena.gpu.kernel(WARP, { constants }),
      arena.gpu.kernel(WARP_BACKWARD, { constants }),
    ]);
    return new WarpSampler(arena, shape, target, { forward, backward });
  }

  /** Sets the crops of the next submitted step, `shape.batch` of them, of a picture of this size. `step` counts from 1. */
  set(width: number, height: number, homographies: readonly Homography[], step = 0): void {
    const { batch, size, mean, deviation } = this.#shape;
    if (homographies.length !== batch) {
      throw new Error(`expected ${batch} homographies, got ${homographies.length}`);
    }
    const { gpu } = this.#arena;
    const { first } = this.#target;
    const numbers = { width, height, step, first, channelMean: mean, channelDeviation: deviation };
    gpu.write(this.#picture, this.#forward.pack('WarpedPicture', numbers), 'parameters');
    const bytes = this.#forward.struct('Warp').size;
    const packed = new Uint8Array(batch * bytes);
    homographies.forEach((homography, i) => {
      const { rows, inverseRows } = homography;
      const warp = this.#forward.pack('Warp', {
        row0: rows[0],
        row1: rows[1],
        row2: rows[2],
        inverse0: inverseRows[0],
        inverse1: inverseRows[1],
        inverse2: inverseRows[2],
        leastReach: leastReach(homography, size),
      });
      packed.set(new Uint8Array(warp), i * bytes);
    });
    gpu.write(this.#warps, packed, 'parameters');
    this.#pixelCount = width * height;
  }

  /** Cuts the crops out of `image`, f32 [H, W, 4] of the size given to `set`. */
  record(recorder: Recorder, image: GPUBuffer): void {
    const { batch, size } = this.#shape;
    let bound = this.#forwardOf.get(image);
    if (!bound) {
      bound = this.#forward.bind({
        picture: this.#picture,
        warps: this.#warps,
        image,
        pixels: this.#target.pixels,
        filters: this.#filters,
      });
      this.#forwardOf.set(image, bound);
    }
    recorder.run(bound, gridFor(batch * size * size, THREADS));
  }

  /** After `record`: adds the gradient of `gradPixels`, laid out as `pixels`, to `gradImage` f32 [H, W, 4]: one for each image. */
  recordBackward(recorder: Recorder, image: GPUBuffer, gradPixels: GPUBuffer, gradImage: GPUBuffer): void {
    let bound = this.#backwardOf.get(gradImage);
    if (!bound) {
      bound = this.#backward.bind({
        picture: this.#picture,
        warps: this.#warps,
        image,
        gradPixels,
        filters: this.#filters,
        gradImage,
        nonFiniteStep: this.#target.nonFiniteStep,
      });
      this.#backwardOf.set(gradImage, bound);
    }
    recorder.run(bound, gridFor(this.#pixelCount, THREADS));
  }
}
