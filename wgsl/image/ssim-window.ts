import { defineKernel, type KernelTarget } from '../core/index.ts';

/** SSIM's window: 11 taps of a Gaussian with σ 1.5 (Wang et al. 2004), separable. */
export const SSIM_RADIUS = 5;
const SIGMA = 1.5;

/** The taps from −5 to 5; they sum to 1. */
export function ssimTaps(): number[] {
  const raw = Array.from({ length: 2 * SSIM_RADIUS + 1 }, (_, i) => {
    const distance = i - SSIM_RADIUS;
    return Math.exp(-(distance * distance) / (2 * SIGMA * SIGMA));
  });
  const sum = raw.reduce((total, tap) => total + tap);
  return raw.map((tap) => tap / sum);
}

/** Threads of a workgroup: one for each column of a tile, and for the 5 columns on both sides of it. */
const THREADS = 64;
/** Pixels of a tile, one tile a workgroup. */
interface Tile {
  width: number;
  height: number;
}
/** Four pixels of a row at a time. Low, so that a small picture fills a large GPU: 8 KiB of workgroup memory. */
const PORTABLE_TILE: Tile = { width: THREADS - 2 * SSIM_RADIUS - 2, height: 8 };
/** Tall, because a column reads 10 rows more than it returns. At most one row per thread. */
const CPU_TILE: Tile = { width: THREADS - 2 * SSIM_RADIUS, height: 16 };
const TILES: Readonly<Record<KernelTarget, Tile>> = {
  subgroup: PORTABLE_TILE,
  portable: PORTABLE_TILE,
  cpu: CPU_TILE,
};

function constantsOf({ width, height }: Tile) {
  // The window is symmetric: the outermost tap to the middle one.
  const taps = ssimTaps().slice(0, SSIM_RADIUS + 1);
  return {
    ...Object.fromEntries(taps.map((tap, i) => [`TAP_${i}`, tap])),
    THREADS,
    TILE_WIDTH: width,
    TILE_HEIGHT: height,
  };
}
const portable = constantsOf(PORTABLE_TILE);
const cpu = constantsOf(CPU_TILE);

/** The constants that a use of the SSIM and L1 kernels adds. */
export function pictureConstants(
  {
    padding = 'valid',
    photo,
    alpha,
  }: { padding?: 'valid' | 'same'; photo?: 'rgba8' | 'float'; alpha?: 'mask' | 'composite' },
  clampRender: boolean,
) {
  return {
    PAD_ZERO: padding === 'same',
    MARGIN: padding === 'valid' ? SSIM_RADIUS : 0,
    MAP_LEFT: mapLeft(padding),
    FLOAT_PHOTO: photo === 'float',
    CLAMP_RENDER: clampRender,
    SKIPS_MASKED: alpha === 'mask',
    COMPOSITES: alpha === 'composite',
  };
}

/** Typical values of `pictureConstants`. */
export const PICTURE_EXAMPLE = pictureConstants({ padding: 'valid', photo: 'rgba8' }, false);
export const SSIM_FORWARD = defineKernel({
  label: 'image/ssim-forward',
  example: { ...PICTURE_EXAMPLE, WITH_MAPS: true },
  variants: {
    portable: { source: new URL('./ssim-forward.wgsl', import.meta.url), constants: portable },
    cpu: { source: new URL('./ssim-forward-cpu.wgsl', import.meta.url), constants: cpu },
  },
});
export const SSIM_BACKWARD = defineKernel({
  label: 'image/ssim-backward',
  example: PICTURE_EXAMPLE,
  variants: {
    portable: { source: new URL('./ssim-backward.wgsl', import.meta.url), constants: portable },
    cpu: { source: new URL('./ssim-backward-cpu.wgsl', import.meta.url), constants: cpu },
  },
});

/** The tiles of a picture: one workgroup each, and the pixels that a tile's windows cover, across and down. */
export function ssimTiling(
  target: KernelTarget,
  size: { width: number; height: number },
): { grid: [number, number]; reach: [number, number] } {
  const { width, height } = TILES[target];
  return {
    grid: [Math.ceil(size.width / width), Math.ceil(size.height / height)],
    reach: [width + 2 * SSIM_RADIUS, height + 2 * SSIM_RADIUS],
  };
}

/** The first column of a map, a multiple of 4, so that `mapPitch` needs no more columns than the picture has. */
function mapLeft(padding: 'valid' | 'same' = 'valid'): number {
  return padding === 'valid' ? SSIM_RADIUS - 1 : 0;
}

/** Columns of a map, a multiple of 4; with `valid` padding no more than the picture has. */
export function mapPitch(width: number, padding: 'valid' | 'same' = 'valid'): number {
  const last = padding === 'valid' ? width - SSIM_RADIUS : width;
  return 4 * Math.ceil((last - mapLeft(padding)) / 4);
}
