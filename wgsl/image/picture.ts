import {
  type Arena,
  type BoundKernel,
  defineKernel,
  type Gpu,
  InputError,
  type Kernel,
  type KernelTarget,
  type Recorder,
} from '../core/index.ts';
import { mapPitch, SSIM_RADIUS } from './ssim-window.ts';

/** Adds the sums of all tiles. */
export const PHOTOMETRIC_REDUCE = defineKernel({
  label: 'image/photometric-reduce',
  constants: { THREADS: 256 },
  example: { SKIPS_MASKED: false },
  variants: { portable: { source: new URL('./photometric-reduce.wgsl', import.meta.url) } },
});

/** Options of a comparison of a render with photographs, with or without its gradient. */
export interface PictureOptions {
  /** Names the buffers in the arena. */
  label: string;
  /** Largest picture, pixels. Pictures bound later may be smaller in either direction. */
  width: number;
  height: number;
  /** f32 [H, W, 4], rgb and alpha; alpha is ignored. A smaller picture is at the front, tightly packed. */
  render: GPUBuffer;
  /**
   * f32 [≥ 4]: L1, SSIM, MSE, loss, each the mean over pixels and channels. SSIM is 0 where it is not computed. With masks f32 [≥ 6]: the
   * numbers of compared pixels and of SSIM's windows follow.
   */
  metrics: GPUBuffer;
  /** Windows at the border: `valid` counts those wholly inside (5 pixels cropped), `same` all, with zeros outside. */
  padding?: 'valid' | 'same';
  /** `rgba8`: u32 [H, W]. `float`: f32 [H, W, 4]. */
  photo?: 'rgba8' | 'float';
  /**
   * What the alpha of rgba8 photographs means; nothing unless given. `mask`: a pixel with alpha below 255 is masked, which means that neither
   * it nor any window of SSIM with it is compared, and that its gradient is 0. `composite`: the premultiplied photograph is composited
   * over `PictureSize.background`.
   */
  alpha?: 'mask' | 'composite';
  /** The variant of the SSIM kernels; the device's unless given. */
  target?: KernelTarget;
}

/** The tiles of a picture in a kernel. */
export interface Tiling {
  /** One workgroup a tile. */
  grid: readonly [number, number];
  /** Pixels that the windows of a tile cover, across and down. */
  reach?: readonly [number, number];
}

/** Size of a picture, pixels. */
export interface PictureSize {
  width: number;
  height: number;
  /** With `alpha: 'composite'`, r, g and b behind the photograph; black unless given. */
  background?: readonly [number, number, number];
}

/** A photograph bound to a `PhotometricLoss` or `PhotometricMetrics`: keep one per view. */
export interface BoundPhoto {
  /** The dispatches, in order. */
  readonly steps: readonly { bound: BoundKernel; groups: readonly [number, number] }[];
  /** Replaces the background of the photograph, from the next submission on. */
  setBackground(background: readonly [number, number, number]): void;
}

export function recordPhoto(recorder: Recorder, photo: BoundPhoto): void {
  for (const { bound, groups } of photo.steps) recorder.run(bound, groups);
}

/** Sums of tiles, a vec4f each: one buffer for all pictures, replaced for a later picture with more tiles. */
export class Partials {
  readonly #arena: Arena;
  readonly #label: string;
  #buffer?: GPUBuffer;

  constructor(arena: Arena, label: string) {
    this.#arena = arena;
    this.#label = label;
  }

  /** A buffer for the sums of each tile of the grid. */
  of([columns, rows]: readonly [number, number]): GPUBuffer {
    const bytes = 16 * columns * rows;
    if (!this.#buffer || this.#buffer.size < bytes) {
      this.#buffer = this.#arena.buffer(`${this.#label}/partials`, bytes);
    }
    return this.#buffer;
  }
}

/**
 * A uniform with the struct Picture of shared/picture.wgsl, and the function that replaces its background.
 * @throws Error for a picture larger than the engine's; InputError for one smaller than SSIM's window.
 */
export function pictureNumbers(
  gpu: Gpu,
  arena: Arena,
  kernel: Kernel,
  options: PictureOptions,
  { width, height, background = [0, 0, 0] }: PictureSize,
  { grid, reach = [0, 0] }: Tiling,
  dssimWeight: number,
): { picture: GPUBuffer; setBackground: BoundPhoto['setBackground'] } {
  const { label, padding = 'valid', alpha, photo } = options;
  if (alpha && photo === 'float') throw new Error(`${label}: photographs in f32 have no alpha`);
  if (width * height > options.width * options.height) {
    throw new Error(
      `${label}: a picture of ${width}×${height} does not fit ${options.width}×${options.height}`,
    );
  }
  const crop = padding === 'valid' ? 2 * SSIM_RADIUS : 0;
  const windows = Math.max(0, width - crop) * Math.max(0, height - crop);
  if (dssimWeight > 0 && !windows) {
    throw new InputError(
      `SSIM compares windows of ${crop + 1}×${crop + 1} pixels, and a picture has ${width}×${height}; ` +
        'use larger pictures, or set the weight of SSIM to 0',
    );
  }
  const picture = arena.uniform(`${label}/picture`, kernel.struct('Picture').size);
  const values = {
    width,
    height,
    dssimWeight,
    ssimCount: 3 * windows,
    tiles: grid[0] * grid[1],
    mapPitch: windows && mapPitch(width, padding),
    reachRight: reach[0],
    reachDown: reach[1],
  };
  const setBackground: BoundPhoto['setBackground'] = (background) =>
    gpu.write(picture, kernel.pack('Picture', { ...values, background }), 'parameters');
  setBackground(background);
  return { picture, setBackground };
}
