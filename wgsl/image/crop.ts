import {
  type Arena,
  type BoundKernel,
  defineKernel,
  GpuError,
  gridFor,
  type Kernel,
  type KernelTarget,
  type Recorder,
} from '../core/index.ts';
import type { CropTransform } from './crop-transforms.ts';

export interface CropShape {
  /** Crops per batch. */
  batch: number;
  /** Their side, pixels. */
  size: number;
  /** Of the encoder's preprocessor: pixels are (rgb − mean)/deviation. */
  mean: readonly [number, number, number];
  deviation: readonly [number, number, number];
}

const THREADS = 64;
/** Pixels of the picture that a workgroup of the backward pass processes, and invocations per pixel. */
const TILE_WIDTH = 16;
const TILE_HEIGHT = 4;
const SPLIT = 2;
/** Crops per batch: those that the backward pass lists in 16 KiB of workgroup memory. */
const MAX_BATCH = 256;
/** A filter with less weight than this inside the picture counts as outside, so that 1/sum stays finite. */
export const MIN_SUM = 1e-6;

export const CROP = defineKernel({
  label: 'image/crop',
  constants: { THREADS, MIN_SUM },
  example: { BATCH: 8, SIDE: 224 },
  variants: { portable: { source: new URL('./crop.wgsl', import.meta.url) } },
});
export const CROP_BACKWARD = defineKernel({
  label: 'image/crop-backward',
  example: { BATCH: 8, SIDE: 224 },
  variants: {
    portable: {
      source: new URL('./crop-backward.wgsl', import.meta.url),
      constants: { TILE_WIDTH, TILE_HEIGHT, SPLIT },
    },
    cpu: { source: new URL('./crop-backward-cpu.wgsl', import.meta.url), constants: { THREADS } },
  },
});

/**
 * The differentiable crop: a render f32 [H, W, 4] (only rgb is used) → `pixels` f32 [B, 3, S, S], and its backward pass. Antialiased
 * triangle filter of half width max(1, scale) source pixels along each axis of the crop, as torch's `interpolate(antialias)`.
 */
export class CropSampler {
  readonly shape: CropShape;
  /** u32 [1]: the first step given to `set` whose gradient of the picture was not finite; 0 if there was none. */
  readonly nonFiniteStep: GPUBuffer;
  readonly #target: KernelTarget;
  readonly #forward: Kernel;
  readonly #backward: Kernel;
  readonly #picture: GPUBuffer;
  readonly #crops: GPUBuffer;
  readonly #pixels: GPUBuffer;
  readonly #inverseSums: GPUBuffer;
  readonly #bound = new Map<string, BoundKernel>();
  readonly #ids = new WeakMap<GPUBuffer, number>();
  readonly #arena: Arena;
  #nextId = 0;
  #width = 0;
  #height = 0;
  #step = 0;

  private constructor(
    arena: Arena,
    shape: CropShape,
    pixels: GPUBuffer,
    { target, forward, backward }: { target: KernelTarget; forward: Kernel; backward: Kernel },
  ) {
    this.#arena = arena;
    this.#target = target;
    this.shape = shape;
    this.#pixels = pixels;
    this.#forward = forward;
    this.#backward = backward;
    this.#picture = arena.uniform('crop/picture', forward.struct('Picture').size);
    this.#crops = arena.buffer('crop/crops', shape.batch * forward.struct('Crop').size);
    this.nonFiniteStep = arena.buffer('crop/nonFiniteStep', 4);
    this.#inverseSums = arena.buffer('crop/inverseSums', 4 * shape.batch * shape.size ** 2);
  }

  /**
   * `pixels`, f32 [B, 3, S, S], receives the crops; `arena` owns the other buffers. `target`: the variants of kernels.
   * @throws GpuError for more than 256 crops.
   */
  static async create(
    arena: Arena,
    shape: CropShape,
    pixels: GPUBuffer,
    target = arena.gpu.target,
  ): Promise<CropSampler> {
    if (shape.batch > MAX_BATCH) {
      throw new GpuError(`${shape.batch} crops a batch; the kernels take ${MAX_BATCH} at most (crops.count)`);
    }
    const constants = { BATCH: shape.batch, SIDE: shape.size };
    const [forward, backward] = await Promise.all([
      arena.gpu.kernel(CROP, { constants, target }),
      arena.gpu.kernel(CROP_BACKWARD, { constants, target }),
    ]);
    return new CropSampler(arena, shape, pixels, { target, forward, backward });
  }

  /**
   * Sets the crops of the next submitted step, `shape.batch` of them, of a picture of this size. `step` counts from 1; without it
   * `nonFiniteStep` keeps its value.
   */
  set(width: number, height: number, transforms: readonly CropTransform[], step = 0): void {
    const { batch, mean, deviation } = this.shape;
    if (transforms.length !== batch) throw new Error(`expected ${batch} crops, got ${transforms.length}`);
    const { gpu } = this.#arena;
    if (width !== this.#width || height !== this.#height || step !== this.#step) {
      const numbers = { width, height, step, channelMean: mean, channelDeviation: deviation };
      gpu.write(this.#picture, this.#forward.pack('Picture', numbers), 'parameters');
      this.#width = width;
      this.#height = height;
      this.#step = step;
    }
    const bytes = this.#forward.struct('Crop').size;
    const packed = new Uint8Array(batch * bytes);
    transforms.forEach(({ axisX, axisY, origin }, i) => {
      const reach = [axisX, axisY].map((axis) => Math.max(1, Math.hypot(...axis)));
      const crop = this.#forward.pack('Crop', { axisX, axisY, origin, reach });
      packed.set(new Uint8Array(crop), i * bytes);
    });
    gpu.write(this.#crops, packed, 'parameters');
  }

  /** Cuts the crops out of `image`, f32 [H, W, 4] of the size given to `set`. */
  record(recorder: Recorder, image: GPUBuffer): void {
    const { batch, size } = this.shape;
    const bound = this.#bind([image], () =>
      this.#forward.bind({
        picture: this.#picture,
        crops: this.#crops,
        image,
        pixels: this.#pixels,
        inverseSums: this.#inverseSums,
      }),
    );
    recorder.run(bound, gridFor(batch * size * size, THREADS));
  }

  /** After `record`: adds the gradient of `gradPixels` [B, 3, S, S] to `gradImage` f32 [H, W, 4]. */
  recordBackward(recorder: Recorder, image: GPUBuffer, gradPixels: GPUBuffer, gradImage: GPUBuffer): void {
    const bound = this.#bind([image, gradPixels, gradImage], () =>
      this.#backward.bind({
        picture: this.#picture,
        crops: this.#crops,
        image,
        gradPixels,
        inverseSums: this.#inverseSums,
        gradImage,
        nonFiniteStep: this.nonFiniteStep,
      }),
    );
    recorder.run(
      bound,
      this.#target === 'cpu'
        ? gridFor(this.#width * this.#height, THREADS)
        : [Math.ceil(this.#width / TILE_WIDTH), Math.ceil(this.#height / TILE_HEIGHT)],
    );
  }

  /** Creates a bind group at the first use of a set of buffers. */
  #bind(buffers: readonly GPUBuffer[], make: () => BoundKernel): BoundKernel {
    const key = buffers
      .map((buffer) => {
        const id = this.#ids.get(buffer) ?? this.#nextId++;
        this.#ids.set(buffer, id);
        return id;
      })
      .join();
    let bound = this.#bound.get(key);
    if (!bound) this.#bound.set(key, (bound = make()));
    return bound;
  }
}
