import {
  type Arena,
  type BoundKernel,
  type Gpu,
  InputError,
  type Kernel,
  type Recorder,
} from '../core/index.ts';
import { runWindow, SSIM_RADIUS, SSIM_REACH } from './ssim_window.ts';

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
}

export interface PictureSize {
  width: number;
  height: number;
}

/** A photograph bound to an engine: keep one per view. */
export interface BoundPhoto {
  readonly steps: readonly { bound: BoundKernel; groups: readonly [number, number] }[];
}

const TILE = 16;
/** A tile is four runs of four pixels by 16 columns. */
const THREADS = 64;
/** Of the kernel that sums the tiles' sums. */
export const REDUCE_THREADS = 256;

export function recordPhoto(recorder: Recorder, photo: BoundPhoto): void {
  for (const { bound, groups } of photo.steps) recorder.run(bound, groups);
}

/** One workgroup a tile. */
export function tileGrid({ width, height }: PictureSize): [number, number] {
  return [Math.ceil(width / TILE), Math.ceil(height / TILE)];
}

/** A vec4f a tile. */
export function partialBytes(size: PictureSize): number {
  const [columns, rows] = tileGrid(size);
  return 16 * columns * rows;
}

/** The constants of all kernels that include shared/photometric.wgsl. */
export function pictureConstants(options: PictureOptions, clampRender: boolean) {
  return {
    THREADS,
    PAD_ZERO: options.padding === 'same',
    FLOAT_PHOTO: options.photo === 'float',
    CLAMP_RENDER: clampRender,
  };
}

/** A uniform with the struct Picture of shared/picture.wgsl, after checking that the engine can take the size. */
export function pictureNumbers(
  gpu: Gpu,
  arena: Arena,
  kernel: Kernel,
  options: PictureOptions,
  { width, height }: PictureSize,
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
    dssim_weight: dssimWeight,
    ssim_count: 3 * windows,
    reach: SSIM_REACH,
    window: runWindow(),
  };
  gpu.write(numbers, kernel.pack('Picture', values), 'parameters');
  return numbers;
}
