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

export interface LossOptions extends PictureOptions {
  /** f32 [H, W, 4]: dL/d render, overwritten; alpha's entry is 0. */
  gradient: GPUBuffer;
  /** λ, the weight of 1 − SSIM, in [0, 1]. At 0 no SSIM kernel runs. */
  dssimWeight: number;
}

/**
 * The training loss (1 − λ)·mean|r − p| + λ·(1 − SSIM) of an unclamped render, and its gradient (3DGS's loss; SSIM as
 * fused-ssim computes it for gsplat, on the valid interior). Keeps maps of 36 bytes a pixel between the two.
 */
export class PhotometricLoss {
  readonly #gpu: Gpu;
  readonly #arena: Arena;
  readonly #options: LossOptions;
  readonly #kernels: LossKernels;
  readonly #maps?: GPUBuffer;
  readonly #partials: GPUBuffer;

  private constructor(gpu: Gpu, arena: Arena, options: LossOptions, kernels: LossKernels) {
    this.#gpu = gpu;
    this.#arena = arena;
    this.#options = options;
    this.#kernels = kernels;
    const { label, width, height } = options;
    if (kernels.ssim) this.#maps = arena.buffer(`${label}/ssim_maps`, 4 * 9 * width * height);
    this.#partials = arena.buffer(`${label}/partials`, partialBytes(options));
  }

  static async create(gpu: Gpu, arena: Arena, options: LossOptions): Promise<PhotometricLoss> {
    const { label, dssimWeight } = options;
    if (!(dssimWeight >= 0 && dssimWeight <= 1)) {
      throw new Error(`${label}: the weight of 1 − SSIM is 0 to 1, got ${dssimWeight}`);
    }
    return new PhotometricLoss(gpu, arena, options, await loadKernels(gpu, options));
  }

  /** Binds a view's photograph. Writes one small uniform; nothing is written per step. */
  bindPhoto(photo: GPUBuffer, size: PictureSize): BoundPhoto {
    const { render, gradient, metrics, dssimWeight } = this.#options;
    const { ssim, l1, reduce } = this.#kernels;
    const picture = pictureNumbers(this.#gpu, this.#arena, reduce, this.#options, size, dssimWeight);
    const compared = { picture, render, photo };
    const partials = this.#partials;
    const groups = tileGrid(size);
    const last = { bound: reduce.bind({ picture, partials, metrics }), groups: [1, 1] as const };
    if (!ssim || !this.#maps) {
      return { steps: [{ bound: l1.bind({ ...compared, gradient, partials }), groups }, last] };
    }
    const maps = this.#maps;
    return {
      steps: [
        { bound: ssim.forward.bind({ ...compared, maps, partials }), groups },
        { bound: ssim.backward.bind({ ...compared, maps, gradient }), groups },
        last,
      ],
    };
  }

  /** Overwrites `gradient` and `metrics`. */
  record(recorder: Recorder, photo: BoundPhoto): void {
    recordPhoto(recorder, photo);
  }
}

interface LossKernels {
  ssim?: { forward: Kernel; backward: Kernel };
  l1: Kernel;
  reduce: Kernel;
}

async function loadKernels(gpu: Gpu, options: LossOptions): Promise<LossKernels> {
  const constants = pictureConstants(options, false);
  const reduce = gpu.kernel({
    label: 'image/photometric_reduce',
    source: new URL('./photometric_reduce.wgsl', import.meta.url),
    constants: { THREADS: REDUCE_THREADS },
  });
  const l1 = gpu.kernel({
    label: 'image/photometric_l1',
    source: new URL('./photometric_l1.wgsl', import.meta.url),
    constants,
  });
  if (options.dssimWeight === 0) return { l1: await l1, reduce: await reduce };
  const forward = gpu.kernel({
    label: 'image/ssim_forward',
    source: new URL('./ssim_forward.wgsl', import.meta.url),
    constants: { ...constants, WITH_MAPS: true },
  });
  const backward = gpu.kernel({
    label: 'image/ssim_backward',
    source: new URL('./ssim_backward.wgsl', import.meta.url),
    constants,
  });
  return {
    ssim: { forward: await forward, backward: await backward },
    l1: await l1,
    reduce: await reduce,
  };
}
