import {
  type Arena,
  type BoundKernel,
  type Gpu,
  InputError,
  type Kernel,
  type Recorder,
} from '../core/index.ts';
import { mapPitch, SSIM_RADIUS, type SsimVariant } from './ssim-window.ts';

/** What a comparison of a render with a photograph needs, with or without its gradient. */
export interface PictureOptions {
  /** Names the buffers in the arena. */
  label: string;
  /** Largest picture, pixels. Pictures bound later may be smaller in either direction. */
  width: number;
  height: number;
  /** f32 [H, W, 4], rgb and alpha; alpha is ignored. A smaller picture lies at the front, tightly packed. */
  render: GPUBuffer;
  /** f32 [≥ 4]: L1, SSIM, MSE, loss, each the mean over pixels and channels. SSIM is 0 where it is not computed. */
  metrics: GPUBuffer;
  /** Windows at the border: `valid` counts those wholly inside (5 pixels cropped), `same` all, with zeros outside. */
  padding?: 'valid' | 'same';
  /** `rgba8`: u32 [H, W]. `float`: f32 [H, W, 4]. */
  photo?: 'rgba8' | 'float';
  /** SSIM kernels shaped for a GPU or for a CPU behind a software driver; by default what the adapter is. */
  variant?: SsimVariant;
}

/** How a kernel cuts a picture into tiles. */
export interface Tiling {
  /** One workgroup a tile. */
  grid: readonly [number, number];
  /** Values that a thread of a serial kernel reads along its row, and down its column. */
  reach?: readonly [number, number];
}

export interface PictureSize {
  width: number;
  height: number;
}

/** A photograph bound to an engine: keep one per view. */
export interface BoundPhoto {
  readonly steps: readonly { bound: BoundKernel; groups: readonly [number, number] }[];
}

export function recordPhoto(recorder: Recorder, photo: BoundPhoto): void {
  for (const { bound, groups } of photo.steps) recorder.run(bound, groups);
}

/** Sums of tiles, a vec4f each: one buffer for all pictures, or one more where a later picture has more tiles. */
export class Partials {
  readonly #arena: Arena;
  readonly #label: string;
  #buffer?: GPUBuffer;

  constructor(arena: Arena, label: string) {
    this.#arena = arena;
    this.#label = label;
  }

  /** Large enough for a tile's sums from each workgroup of the grid. */
  of([columns, rows]: readonly [number, number]): GPUBuffer {
    const bytes = 16 * columns * rows;
    if (!this.#buffer || this.#buffer.size < bytes) {
      this.#buffer = this.#arena.buffer(`${this.#label}/partials`, bytes);
    }
    return this.#buffer;
  }
}

/** The kernel that sums the tiles' sums. */
export function loadReduce(gpu: Gpu): Promise<Kernel> {
  return gpu.kernel({
    label: 'image/photometric-reduce',
    source: new URL('./photometric-reduce.wgsl', import.meta.url),
    constants: { THREADS: 256 },
  });
}

/** The constants of all kernels that include shared/photometric.wgsl. */
export function pictureConstants(options: PictureOptions, clampRender: boolean) {
  return {
    PAD_ZERO: options.padding === 'same',
    FLOAT_PHOTO: options.photo === 'float',
    CLAMP_RENDER: clampRender,
  };
}

/**
 * A uniform with the struct Picture of shared/picture.wgsl, after checking that the engine can take the size.
 */
export function pictureNumbers(
  gpu: Gpu,
  arena: Arena,
  kernel: Kernel,
  options: PictureOptions,
  { width, height }: PictureSize,
  { grid, reach = [0, 0] }: Tiling,
  dssimWeight: number,
): GPUBuffer {
  const { label, padding = 'valid' } = options;
  if (width * height > options.width * options.height) {
    throw new Error(
      `${label}: a picture of ${width}×${height} does not fit ${options.width}×${options.height}`,
    );
  }
  const crop = padding === 'valid' ? 2 * SSIM_RADIUS : 0;
  const windows = Math.max(0, width - crop) * Math.max(0, height - crop);
  if (dssimWeight > 0 && !windows) {
    throw new InputError(
      `SSIM looks through windows of ${crop + 1}×${crop + 1} pixels, and a picture has ${width}×${height}; ` +
        'use larger pictures, or leave the SSIM term out',
    );
  }
  const numbers = arena.uniform(`${label}/picture`, kernel.struct('Picture').size);
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
  gpu.write(numbers, kernel.pack('Picture', values), 'parameters');
  return numbers;
}
