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
  readonly #maps: GPUBuffer;
  readonly #partials: GPUBuffer;

  private constructor(gpu: Gpu, arena: Arena, options: LossOptions, kernels: LossKernels) {
    this.#gpu = gpu;
    this.#arena = arena;
    this.#options = options;
    this.#kernels = kernels;
    const { label, width, height } = options;
    const mapped = kernels.comparison.kind === 'ssim' ? 9 * width * height : 1;
    this.#maps = arena.buffer(`${label}/ssim_maps`, 4 * mapped);
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
    const { comparison, reduce } = this.#kernels;
    const picture = pictureNumbers(this.#gpu, this.#arena, reduce, this.#options, size, dssimWeight);
    const compared = { picture, render, photo };
    const partials = this.#partials;
    const groups = tileGrid(size);
    const last = { bound: reduce.bind({ picture, partials, metrics }), groups: [1, 1] as const };
    if (comparison.kind === 'l1') {
      return { steps: [{ bound: comparison.l1.bind({ ...compared, gradient, partials }), groups }, last] };
    }
    const maps = this.#maps;
    return {
      steps: [
        { bound: comparison.forward.bind({ ...compared, maps, partials }), groups },
        { bound: comparison.backward.bind({ ...compared, maps, gradient }), groups },
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
  comparison: { kind: 'l1'; l1: Kernel } | { kind: 'ssim'; forward: Kernel; backward: Kernel };
  reduce: Kernel;
}

async function loadKernels(gpu: Gpu, options: LossOptions): Promise<LossKernels> {
  const constants = pictureConstants(options, false);
  const load = (name: string, more: Record<string, boolean> = {}) =>
    gpu.kernel({
      label: `image/${name}`,
      source: new URL(`./${name}.wgsl`, import.meta.url),
      constants: { ...constants, ...more },
    });
  const reduce = await gpu.kernel({
    label: 'image/photometric_reduce',
    source: new URL('./photometric_reduce.wgsl', import.meta.url),
    constants: { THREADS: REDUCE_THREADS },
  });
  if (options.dssimWeight === 0) {
    return { comparison: { kind: 'l1', l1: await load('photometric_l1') }, reduce };
  }
  const [forward, backward] = await Promise.all([
    load('ssim_forward', { WITH_MAPS: true }),
    load('ssim_backward'),
  ]);
  return { comparison: { kind: 'ssim', forward, backward }, reduce };
}
