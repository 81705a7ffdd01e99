import type { Gpu, Kernel } from '../core/index.ts';
import type { Constants } from '../core/source.ts';

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

/** How the SSIM kernels cut a picture into tiles, one a workgroup. */
export type SsimShape =
  /** shared/ssim-filter.wgsl */
  | {
      variant: 'runs';
      /** Threads side by side, each with a column of the tile or of the 5 pixels on both sides of it. */
      columns: number;
      /** Such rows of threads, one below the other. */
      bands: number;
      /** Rows of the tile that one thread filters, a multiple of 4. */
      bandRows: number;
    }
  /** For CPUs behind a software driver: ssim-forward-serial, ssim-backward-serial. */
  | {
      variant: 'serial';
      /** Threads: the columns of a tile and 5 on both sides of it. */
      columns: number;
      /** The height of a tile, no more than there are threads. */
      rows: number;
    };

export type SsimVariant = SsimShape['variant'];

/** Both kernels' shapes. */
export interface SsimShapes {
  forward: SsimShape;
  backward: SsimShape;
}

/** Small workgroups, so that a small picture fills a large GPU; 8 KiB of workgroup memory each. */
const GPU_SHAPES: SsimShapes = {
  forward: { variant: 'runs', columns: 64, bands: 1, bandRows: 8 },
  backward: { variant: 'runs', columns: 64, bands: 1, bandRows: 8 },
};
/** Tall, since a column is read with 10 rows more than it gives, and of whole vectors of a CPU. Both alike: one `reach`. */
const CPU_SHAPES: SsimShapes = {
  forward: { variant: 'serial', columns: 64, rows: 16 },
  backward: { variant: 'serial', columns: 64, rows: 16 },
};

/** The shapes of a variant; by default that which the adapter wants. */
export function ssimShapes(
  gpu: Gpu,
  variant: SsimVariant = gpu.target === 'cpu' ? 'serial' : 'runs',
): SsimShapes {
  return variant === 'serial' ? CPU_SHAPES : GPU_SHAPES;
}

function tileSize(shape: SsimShape): [number, number] {
  const width = shape.columns - 2 * SSIM_RADIUS;
  if (shape.variant === 'serial') return [width, shape.rows];
  return [4 * Math.floor(width / 4), shape.bands * shape.bandRows];
}

/** The tiles of a picture. */
export function ssimTiling(
  shape: SsimShape,
  size: { width: number; height: number },
): { grid: [number, number]; reach: [number, number] } {
  const [width, height] = tileSize(shape);
  return {
    grid: [Math.ceil(size.width / width), Math.ceil(size.height / height)],
    reach: [width + 2 * SSIM_RADIUS, height + 2 * SSIM_RADIUS],
  };
}

const SOURCES = {
  'ssim-forward': new URL('./ssim-forward.wgsl', import.meta.url),
  'ssim-forward-serial': new URL('./ssim-forward-serial.wgsl', import.meta.url),
  'ssim-backward': new URL('./ssim-backward.wgsl', import.meta.url),
  'ssim-backward-serial': new URL('./ssim-backward-serial.wgsl', import.meta.url),
};

/** Loads the kernel of a shape. `constants`: those that the shape and the padding do not tell. */
export function ssimKernel(
  gpu: Gpu,
  direction: 'forward' | 'backward',
  shape: SsimShape,
  padding: 'valid' | 'same' = 'valid',
  constants: Constants,
): Promise<Kernel> {
  const name =
    shape.variant === 'serial' ? (`ssim-${direction}-serial` as const) : (`ssim-${direction}` as const);
  return gpu.kernel({
    label: `image/${name}`,
    source: SOURCES[name],
    constants: { ...constants, ...ssimConstants(shape, padding) },
  });
}

function ssimConstants(shape: SsimShape, padding: 'valid' | 'same'): Constants {
  const taps = ssimTaps()
    .slice(0, SSIM_RADIUS + 1)
    .map((tap, i) => [`TAP_${i}`, tap] as const);
  const [width, height] = tileSize(shape);
  return {
    ...Object.fromEntries(taps),
    TILE_WIDTH: width,
    MARGIN: padding === 'valid' ? SSIM_RADIUS : 0,
    MAP_LEFT: mapLeft(padding),
    ...(shape.variant === 'serial'
      ? { THREADS: shape.columns, TILE_HEIGHT: height }
      : { THREADS: shape.columns * shape.bands, COLUMNS: shape.columns, BAND: shape.bandRows }),
  };
}

/** The first column that a map keeps, a multiple of 4; without windows there, none is lost to the rounding of `mapPitch`. */
function mapLeft(padding: 'valid' | 'same' = 'valid'): number {
  return padding === 'valid' ? SSIM_RADIUS - 1 : 0;
}

/** Columns of a map, a multiple of 4; with `valid` padding no more than the picture has. */
export function mapPitch(width: number, padding: 'valid' | 'same' = 'valid'): number {
  const last = padding === 'valid' ? width - SSIM_RADIUS : width;
  return 4 * Math.ceil((last - mapLeft(padding)) / 4);
}
