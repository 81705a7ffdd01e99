import type { Arena, Gpu, Kernel, Recorder } from '../core/index.ts';
import {
  type BoundPhoto,
  type PictureOptions,
  type PictureSize,
  partialBytes,
  pictureConstants,
  pictureNumbers,
  REDUCE_THREADS,
  recordPhoto,
  tileGrid,
} from './picture.ts';

/**
 * Scores of a finished render against a photograph: L1, SSIM and MSE of colours clamped to [0, 1], without a gradient.
 * PSNR is −10·log10(MSE): see `psnr`.
 */
export class PhotometricMetrics {
  readonly #gpu: Gpu;
  readonly #arena: Arena;
  readonly #options: PictureOptions;
  readonly #forward: Kernel;
  readonly #reduce: Kernel;
  readonly #unused: GPUBuffer;
  readonly #partials: GPUBuffer;

  private constructor(gpu: Gpu, arena: Arena, options: PictureOptions, forward: Kernel, reduce: Kernel) {
    this.#gpu = gpu;
    this.#arena = arena;
    this.#options = options;
    this.#forward = forward;
    this.#reduce = reduce;
    this.#unused = arena.buffer(`${options.label}/no_maps`, 4);
    this.#partials = arena.buffer(`${options.label}/partials`, partialBytes(options));
  }

  static async create(gpu: Gpu, arena: Arena, options: PictureOptions): Promise<PhotometricMetrics> {
    const [forward, reduce] = await Promise.all([
      gpu.kernel({
        label: 'image/ssim_forward',
        source: new URL('./ssim_forward.wgsl', import.meta.url),
        constants: { ...pictureConstants(options, true), WITH_MAPS: false },
      }),
      gpu.kernel({
        label: 'image/photometric_reduce',
        source: new URL('./photometric_reduce.wgsl', import.meta.url),
        constants: { THREADS: REDUCE_THREADS },
      }),
    ]);
    return new PhotometricMetrics(gpu, arena, options, forward, reduce);
  }

  /** Binds a view's photograph. */
  bindPhoto(photo: GPUBuffer, size: PictureSize): BoundPhoto {
    const { render, metrics } = this.#options;
    const picture = pictureNumbers(this.#gpu, this.#arena, this.#reduce, this.#options, size, 1);
    const partials = this.#partials;
    return {
      steps: [
        {
          bound: this.#forward.bind({ picture, render, photo, maps: this.#unused, partials }),
          groups: tileGrid(size),
        },
        { bound: this.#reduce.bind({ picture, partials, metrics }), groups: [1, 1] },
      ],
    };
  }

  /** Overwrites `metrics`; its loss is 1 − SSIM. */
  record(recorder: Recorder, photo: BoundPhoto): void {
    recordPhoto(recorder, photo);
  }
}

/** Peak signal-to-noise ratio in dB, of colours in [0, 1]. */
export function psnr(mse: number): number {
  return -10 * Math.log10(mse);
}
