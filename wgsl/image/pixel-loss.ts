import {
  type Arena,
  type BoundKernel,
  defineKernel,
  type Gpu,
  gridFor,
  type Kernel,
  type Recorder,
} from '../core/index.ts';
import type { PictureSize } from './picture.ts';

/** Pixels that a workgroup sums. */
const CHUNK = 512;
const constants = { THREADS: 64, CHUNK };

export const TOTAL_VARIATION = defineKernel({
  label: 'image/total-variation',
  constants,
  variants: { portable: { source: new URL('./total-variation.wgsl', import.meta.url) } },
});
export const MASKED_L1 = defineKernel({
  label: 'image/masked-l1',
  constants,
  example: { HAS_MASK: true },
  variants: { portable: { source: new URL('./masked-l1.wgsl', import.meta.url) } },
});
export const MEAN_CHUNKS = defineKernel({
  label: 'image/mean-chunks',
  constants: { THREADS: 256 },
  variants: { portable: { source: new URL('./mean-chunks.wgsl', import.meta.url) } },
});

export type PixelLossKind = 'total-variation' | 'masked-l1';

/** Buffers of a loss. Pictures are f32 [H, W, 4] of the largest size, the smaller ones packed at the front. */
export interface PixelLossOptions {
  /** The largest picture, pixels. */
  width: number;
  height: number;
  picture: GPUBuffer;
  base: GPUBuffer;
  /** f32 [H, W, 4]: `record` adds to it. */
  gradient: GPUBuffer;
  /** Whether `record` takes a mask (`masked-l1`). Otherwise all pixels count. */
  hasMask?: boolean;
  /** Names the buffers in the arena. */
  label: string;
}

/**
 * A loss that compares a picture with its base pixel by pixel, and its gradient, in one pass; a second one adds the sums of chunks in
 * a fixed order. `total-variation`: of the change from base to picture, after the prior of CLIPstyler (Kwon and Ye 2022), which
 * takes it of the picture. `masked-l1`: L1 where a mask keeps the base. Both round |d| off below one level of 8 bits.
 */
export class PixelLoss {
  /** f32 [4]: the loss without its weight, and padding. */
  readonly loss: GPUBuffer;
  readonly #gpu: Gpu;
  readonly #kernel: Kernel;
  readonly #buffers: Record<string, GPUBuffer>;
  readonly #unmasked?: BoundKernel;
  readonly #mean: BoundKernel;
  readonly #sizes: GPUBuffer;
  readonly #options: PixelLossOptions;
  #chunks = 0;

  private constructor(arena: Arena, options: PixelLossOptions, main: Kernel, mean: Kernel) {
    const { label, width, height, picture, base, gradient } = options;
    this.#gpu = arena.gpu;
    this.#options = options;
    this.#sizes = arena.uniform(`${label}/sizes`, main.struct('Sizes').size);
    this.loss = arena.buffer(`${label}/loss`, 16);
    const partials = arena.buffer(`${label}/partials`, 16 * Math.ceil((width * height) / CHUNK));
    this.#kernel = main;
    this.#buffers = { sizes: this.#sizes, picture, base, gradient, partials };
    if (!options.hasMask) {
      // The kernel binds a mask even where it reads none.
      const mask = main.label === MASKED_L1.label && { mask: arena.buffer(`${label}/no-mask`, 16) };
      this.#unmasked = main.bind({ ...this.#buffers, ...mask });
    }
    this.#mean = mean.bind({ sizes: this.#sizes, partials, loss: this.loss });
  }

  static async create(
    gpu: Gpu,
    arena: Arena,
    kind: PixelLossKind,
    options: PixelLossOptions,
  ): Promise<PixelLoss> {
    const [main, mean] = await Promise.all([
      kind === 'masked-l1'
        ? gpu.kernel(MASKED_L1, { constants: { HAS_MASK: Boolean(options.hasMask) } })
        : gpu.kernel(TOTAL_VARIATION),
      gpu.kernel(MEAN_CHUNKS),
    ]);
    return new PixelLoss(arena, options, main, mean);
  }

  /** Uploads the size of the next submitted picture, and the weight of its gradient. */
  set({ width, height }: PictureSize, weight: number): void {
    const { label, width: most, height: high } = this.#options;
    if (width * height > most * high)
      throw new Error(`${label}: a picture of ${width}×${height} does not fit ${most}×${high}`);
    this.#chunks = Math.ceil((width * height) / CHUNK);
    const values = { width, height, chunks: this.#chunks, weight };
    this.#gpu.write(this.#sizes, this.#kernel.pack('Sizes', values), 'parameters');
  }

  /**
   * Binds a mask of a picture's size, rgba8 [H, W]: r is the share of each pixel, from 0 to 1. Bind once, record many times.
   * @throws Error when the loss was created without `hasMask`.
   */
  bindMask(mask: GPUBuffer): BoundKernel {
    if (this.#unmasked) throw new Error(`${this.#options.label}: created without \`hasMask\``);
    return this.#kernel.bind({ ...this.#buffers, mask });
  }

  /** Overwrites `loss` and adds weight·dL/drgb to the gradient. `masked`: from `bindMask`, required with `hasMask`. */
  record(recorder: Recorder, masked?: BoundKernel): void {
    const bound = masked ?? this.#unmasked;
    if (!bound) throw new Error(`${this.#options.label}: no mask is bound`);
    recorder.run(bound, gridFor(this.#chunks, 1)).run(this.#mean, 1);
  }
}
