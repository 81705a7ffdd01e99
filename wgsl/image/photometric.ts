import { type Arena, defineKernel, type Gpu, type Kernel, type Recorder } from '../core/index.ts';
import {
  type BoundPhoto,
  Partials,
  PHOTOMETRIC_REDUCE,
  type PictureOptions,
  type PictureSize,
  pictureNumbers,
  recordPhoto,
  type Tiling,
} from './picture.ts';
import {
  mapPitch,
  PICTURE_EXAMPLE,
  pictureConstants,
  SSIM_BACKWARD,
  SSIM_FORWARD,
  ssimTiling,
} from './ssim-window.ts';

/** Side of the tile of a workgroup of photometric-l1, pixels. */
const L1_TILE = 16;
export const PHOTOMETRIC_L1 = defineKernel({
  label: 'image/photometric-l1',
  constants: { THREADS: 64, TILE: L1_TILE },
  example: PICTURE_EXAMPLE,
  variants: { portable: { source: new URL('./photometric-l1.wgsl', import.meta.url) } },
});

/** Options of `PhotometricLoss.create`. */
export interface LossOptions extends PictureOptions {
  /** f32 [H, W, 4]: dL/d render, overwritten; alpha's entry is 0. */
  gradient: GPUBuffer;
  /** λ, the weight of 1 − SSIM, in [0, 1]. At 0 no SSIM kernel runs. */
  dssimWeight: number;
}

/**
 * The training loss (1 − λ)·mean|r − p| + λ·(1 − SSIM) of an unclamped render r and a photograph p, and its gradient (3DGS's
 * loss; SSIM of Wang et al. 2004 with windows of 11×11 pixels, σ 1.5, as fused-ssim computes it for gsplat). Keeps maps of 36
 * bytes a pixel between the forward and backward pass.
 */
export class PhotometricLoss {
  readonly #gpu: Gpu;
  readonly #arena: Arena;
  readonly #options: LossOptions;
  readonly #kernels: LossKernels;
  readonly #maps: GPUBuffer;
  readonly #partials: Partials;

  private constructor(gpu: Gpu, arena: Arena, options: LossOptions, kernels: LossKernels) {
    this.#gpu = gpu;
    this.#arena = arena;
    this.#options = options;
    this.#kernels = kernels;
    const { label, width, height, padding } = options;
    // The maps of smaller pictures fit too: except with `same` padding, a map has no more columns than its picture.
    const columns = padding === 'same' ? mapPitch(width, padding) : width;
    const mapped = kernels.comparison.kind === 'ssim' ? 9 * columns * height : 4;
    this.#maps = arena.buffer(`${label}/ssimMaps`, 4 * Math.ceil(mapped / 4) * 4);
    this.#partials = new Partials(arena, label);
  }

  /** Compiles the kernels and allocates the maps in the arena. @throws Error when the weight is not in [0, 1]. */
  static async create(gpu: Gpu, arena: Arena, options: LossOptions): Promise<PhotometricLoss> {
    const { label, dssimWeight } = options;
    if (!(dssimWeight >= 0 && dssimWeight <= 1)) {
      throw new Error(`${label}: the weight of 1 − SSIM is 0 to 1, got ${dssimWeight}`);
    }
    return new PhotometricLoss(gpu, arena, options, await loadKernels(gpu, options));
  }

  /**
   * Binds a view's photograph, u32 or f32 according to `options.photo`, of this size in pixels. Call it once per view, not per step: it
   * allocates a small uniform.
   *
   * @throws Error when the picture is larger than the options'.
   * @throws InputError when it is smaller than SSIM's window.
   */
  bindPhoto(photo: GPUBuffer, size: PictureSize): BoundPhoto {
    const {
      label,
      padding,
      render,
      gradient,
      metrics,
      dssimWeight,
      target = this.#gpu.target,
    } = this.#options;
    const { comparison, reduce } = this.#kernels;
    const tiling = comparison.kind === 'l1' ? l1Tiling(size) : ssimTiling(target, size);
    const numbers = pictureNumbers(this.#gpu, this.#arena, reduce, this.#options, size, tiling, dssimWeight);
    const { picture, setBackground } = numbers;
    const { grid } = tiling;
    const compared = { picture, render, photo };
    const partials = this.#partials.of(grid);
    const last = { bound: reduce.bind({ picture, partials, metrics }), groups: [1, 1] as const };
    if (comparison.kind === 'l1') {
      return {
        setBackground,
        steps: [{ bound: comparison.l1.bind({ ...compared, gradient, partials }), groups: grid }, last],
      };
    }
    const maps = this.#maps;
    const { forward, backward } = comparison;
    if (36 * mapPitch(size.width, padding) * size.height > maps.size) {
      throw new Error(
        `${label}: the maps of ${size.width}×${size.height} pixels do not fit ${maps.size} bytes`,
      );
    }
    return {
      setBackground,
      steps: [
        { bound: forward.bind({ ...compared, maps, partials }), groups: grid },
        { bound: backward.bind({ ...compared, maps, gradient }), groups: grid },
        last,
      ],
    };
  }

  /** Records the loss of the render against a photograph: overwrites `gradient` and `metrics`. */
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
  const { SKIPS_MASKED } = constants;
  const reduce = await gpu.kernel(PHOTOMETRIC_REDUCE, { constants: { SKIPS_MASKED } });
  if (options.dssimWeight === 0) {
    const l1 = await gpu.kernel(PHOTOMETRIC_L1, { constants });
    return { comparison: { kind: 'l1', l1 }, reduce };
  }
  const { target } = options;
  const [forward, backward] = await Promise.all([
    gpu.kernel(SSIM_FORWARD, { target, constants: { ...constants, WITH_MAPS: true } }),
    gpu.kernel(SSIM_BACKWARD, { target, constants }),
  ]);
  return { comparison: { kind: 'ssim', forward, backward }, reduce };
}

function l1Tiling({ width, height }: PictureSize): Tiling {
  return { grid: [Math.ceil(width / L1_TILE), Math.ceil(height / L1_TILE)] };
}
