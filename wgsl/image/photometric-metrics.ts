import type { Arena, Gpu, Kernel, Recorder } from '../core/index.ts';
import {
  type BoundPhoto,
  Partials,
  PHOTOMETRIC_REDUCE,
  type PictureOptions,
  type PictureSize,
  pictureNumbers,
  recordPhoto,
} from './picture.ts';
import { pictureConstants, SSIM_FORWARD, ssimTiling } from './ssim-window.ts';

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
  readonly #partials: Partials;

  private constructor(gpu: Gpu, arena: Arena, options: PictureOptions, forward: Kernel, reduce: Kernel) {
    this.#gpu = gpu;
    this.#arena = arena;
    this.#options = options;
    this.#forward = forward;
    this.#reduce = reduce;
    this.#unused = arena.buffer(`${options.label}/noMaps`, 16);
    this.#partials = new Partials(arena, options.label);
  }

  /** Compiles the kernels; allocates small buffers in the arena. */
  static async create(gpu: Gpu, arena: Arena, options: PictureOptions): Promise<PhotometricMetrics> {
    const constants = { ...pictureConstants(options, true), WITH_MAPS: false };
    const [forward, reduce] = await Promise.all([
      gpu.kernel(SSIM_FORWARD, { target: options.target, constants }),
      gpu.kernel(PHOTOMETRIC_REDUCE, { constants: { SKIPS_MASKED: constants.SKIPS_MASKED } }),
    ]);
    return new PhotometricMetrics(gpu, arena, options, forward, reduce);
  }

  /** Binds a view's photograph, as `PhotometricLoss.bindPhoto`, with the same errors. */
  bindPhoto(photo: GPUBuffer, size: PictureSize): BoundPhoto {
    const { render, metrics, target = this.#gpu.target } = this.#options;
    const tiling = ssimTiling(target, size);
    const groups = tiling.grid;
    const numbers = pictureNumbers(this.#gpu, this.#arena, this.#reduce, this.#options, size, tiling, 1);
    const { picture, setBackground } = numbers;
    const partials = this.#partials.of(groups);
    return {
      setBackground,
      steps: [
        { bound: this.#forward.bind({ picture, render, photo, maps: this.#unused, partials }), groups },
        { bound: this.#reduce.bind({ picture, partials, metrics }), groups: [1, 1] },
      ],
    };
  }

  /** Overwrites `metrics`; their loss is 1 − SSIM. */
  record(recorder: Recorder, photo: BoundPhoto): void {
    recordPhoto(recorder, photo);
  }
}

/** Peak signal-to-noise ratio in dB, from the mean squared error of colours in [0, 1]. */
export function psnr(mse: number): number {
  return -10 * Math.log10(mse);
}
