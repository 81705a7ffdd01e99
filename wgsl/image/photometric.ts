import type { Arena, Gpu, Kernel, Recorder } from '../core/index.ts';
import {
  type BoundPhoto,
  loadReduce,
  Partials,
  type PictureOptions,
  type PictureSize,
  pictureConstants,
  pictureNumbers,
  recordPhoto,
  type Tiling,
} from './picture.ts';
import { mapPitch, type SsimShapes, ssimKernel, ssimShapes, ssimTiling } from './ssim-window.ts';

/** A workgroup of photometric_l1 takes a tile of so many pixels each way. */
const L1_TILE = 16;
const L1_THREADS = 64;

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
  readonly #partials: Partials;

  private constructor(gpu: Gpu, arena: Arena, options: LossOptions, kernels: LossKernels) {
    this.#gpu = gpu;
    this.#arena = arena;
    this.#options = options;
    this.#kernels = kernels;
    const { label, width, height, padding } = options;
    // Those of a smaller picture fit: a map has no more columns than its picture, but for `same` padding.
    const columns = padding === 'same' ? mapPitch(width, padding) : width;
    const mapped = kernels.comparison.kind === 'ssim' ? 9 * columns * height : 4;
    this.#maps = arena.buffer(`${label}/ssim_maps`, 4 * Math.ceil(mapped / 4) * 4);
    this.#partials = new Partials(arena, label);
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
    const { label, padding, render, gradient, metrics, dssimWeight } = this.#options;
    const { comparison, reduce } = this.#kernels;
    const tiling = comparison.kind === 'l1' ? l1Tiling(size) : ssimTiling(comparison.shapes.forward, size);
    const picture = pictureNumbers(this.#gpu, this.#arena, reduce, this.#options, size, tiling, dssimWeight);
    const { grid } = tiling;
    const compared = { picture, render, photo };
    const partials = this.#partials.of(grid);
    const last = { bound: reduce.bind({ picture, partials, metrics }), groups: [1, 1] as const };
    if (comparison.kind === 'l1') {
      return {
        steps: [{ bound: comparison.l1.bind({ ...compared, gradient, partials }), groups: grid }, last],
      };
    }
    const maps = this.#maps;
    const { forward, backward, shapes } = comparison;
    if (36 * mapPitch(size.width, padding) * size.height > maps.size) {
      throw new Error(
        `${label}: the maps of ${size.width}×${size.height} pixels do not fit ${maps.size} bytes`,
      );
    }
    return {
      steps: [
        { bound: forward.bind({ ...compared, maps, partials }), groups: grid },
        {
          bound: backward.bind({ ...compared, maps, gradient }),
          groups: ssimTiling(shapes.backward, size).grid,
        },
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
  comparison:
    | { kind: 'l1'; l1: Kernel }
    | { kind: 'ssim'; forward: Kernel; backward: Kernel; shapes: SsimShapes };
  reduce: Kernel;
}

async function loadKernels(gpu: Gpu, options: LossOptions): Promise<LossKernels> {
  const constants = pictureConstants(options, false);
  const reduce = await loadReduce(gpu);
  if (options.dssimWeight === 0) {
    const l1 = await gpu.kernel({
      label: 'image/photometric-l1',
      source: new URL('./photometric-l1.wgsl', import.meta.url),
      constants: { ...constants, THREADS: L1_THREADS, TILE: L1_TILE },
    });
    return { comparison: { kind: 'l1', l1 }, reduce };
  }
  const shapes = ssimShapes(gpu, options.variant);
  const [forward, backward] = await Promise.all([
    ssimKernel(gpu, 'forward', shapes.forward, options.padding, { ...constants, WITH_MAPS: true }),
    ssimKernel(gpu, 'backward', shapes.backward, options.padding, constants),
  ]);
  return { comparison: { kind: 'ssim', forward, backward, shapes }, reduce };
}

function l1Tiling({ width, height }: PictureSize): Tiling {
  return { grid: [Math.ceil(width / L1_TILE), Math.ceil(height / L1_TILE)] };
}
