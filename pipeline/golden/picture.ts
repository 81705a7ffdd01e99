import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { PNG } from 'pngjs';
import { InputError } from '../../wgsl/core/index.ts';

/** A finished picture in host memory: 8-bit rgb [H, W, 3], row-major. */
export interface Picture {
  width: number;
  height: number;
  rgb: Uint8Array;
}

/** Reads a PNG and drops its alpha. @throws InputError naming the file when it is missing or not a PNG. */
export async function readPicture(path: string): Promise<Picture> {
  const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    throw new InputError(`cannot be read (${error.code})`, path);
  });
  try {
    return decodePicture(bytes);
  } catch (error) {
    throw new InputError(`is not a PNG: ${error instanceof Error ? error.message : error}`, path);
  }
}

export function decodePicture(png: Uint8Array): Picture {
  const { width, height, data } = PNG.sync.read(Buffer.from(png));
  return { width, height, rgb: withoutAlpha(data) };
}

/** rgb of rgba pixels. */
export function withoutAlpha(rgba: Uint8Array): Uint8Array {
  return Uint8Array.from({ length: (3 * rgba.length) / 4 }, (_, i) => rgba[i + Math.floor(i / 3)]);
}

export function encodePicture({ width, height, rgb }: Picture): Uint8Array {
  const png = new PNG({ width, height, colorType: 2, inputColorType: 2, inputHasAlpha: false });
  png.data = Buffer.from(rgb);
  return PNG.sync.write(png, { colorType: 2, inputColorType: 2, inputHasAlpha: false });
}

/** sha256 (hex) of size and pixels. The bytes of a PNG depend on the zlib version; pixels do not. */
export function pictureHash({ width, height, rgb }: Picture): string {
  return createHash('sha256').update(`rgb8 ${width}x${height}\n`).update(rgb).digest('hex');
}

export interface Difference {
  /** Largest difference of a pixel's channel, in 8-bit levels (0–255). */
  max: number;
  /** Mean absolute difference over pixels and channels, in 8-bit levels. */
  mean: number;
  /** Structural similarity (11×11 Gaussian window of σ 1.5, windows wholly inside, mean over channels); 1 is equal. */
  ssim: number;
}

const RADIUS = 5;
const SIGMA = 1.5;
const C1 = 0.01 ** 2;
const C2 = 0.03 ** 2;
const TAPS = Array.from({ length: 2 * RADIUS + 1 }, (_, i) =>
  Math.exp(-((i - RADIUS) ** 2) / (2 * SIGMA ** 2)),
);
const TAPS_SUM = TAPS.reduce((sum, tap) => sum + tap, 0);

/**
 * Compares on the CPU in double precision and shares no code with the GPU's metrics, which are under test themselves. Rounds
 * to six decimals. Throws when the sizes differ, or a side is below 11 pixels.
 */
export function compare(a: Picture, b: Picture): Difference {
  if (a.width !== b.width || a.height !== b.height) {
    throw new Error(`pictures of ${a.width}×${a.height} and ${b.width}×${b.height} cannot be compared`);
  }
  let max = 0;
  let sum = 0;
  for (let i = 0; i < a.rgb.length; i++) {
    const difference = Math.abs(a.rgb[i] - b.rgb[i]);
    max = Math.max(max, difference);
    sum += difference;
  }
  const round = (value: number) => Number(value.toFixed(6));
  return { max, mean: round(sum / a.rgb.length), ssim: round(ssim(a, b)) };
}

/** The worst of several differences, number by number. */
export function worst(differences: readonly Difference[]): Difference {
  return {
    max: Math.max(0, ...differences.map(({ max }) => max)),
    mean: Math.max(0, ...differences.map(({ mean }) => mean)),
    ssim: Math.min(1, ...differences.map(({ ssim }) => ssim)),
  };
}

function ssim(a: Picture, b: Picture): number {
  const { width, height } = a;
  if (Math.min(width, height) <= 2 * RADIUS) throw new Error(`${width}×${height} is too small for SSIM`);
  const product = (u: Float64Array, v: Float64Array) => u.map((value, i) => value * v[i]);
  const blur = (values: Float64Array) => blurAndTranspose(blurAndTranspose(values, width), height);
  const channels = [0, 1, 2].map((channel) => {
    const [x, y] = [a, b].map(({ rgb }) =>
      Float64Array.from({ length: width * height }, (_, pixel) => rgb[3 * pixel + channel] / 255),
    );
    const [mx, my, mxx, myy, mxy] = [x, y, product(x, x), product(y, y), product(x, y)].map(blur);
    const similarity = mx.map((_, i) => {
      const [vx, vy, vxy] = [mxx[i] - mx[i] ** 2, myy[i] - my[i] ** 2, mxy[i] - mx[i] * my[i]];
      const [squares, products] = [mx[i] ** 2 + my[i] ** 2, mx[i] * my[i]];
      return ((2 * products + C1) * (2 * vxy + C2)) / ((squares + C1) * (vx + vy + C2));
    });
    return similarity.reduce((sum, value) => sum + value, 0) / similarity.length;
  });
  return channels.reduce((sum, value) => sum + value, 0) / channels.length;
}

/** Blurs each row of [H, W] where the window lies wholly inside; returns the transpose, [W − 10, H]. */
function blurAndTranspose(values: Float64Array, width: number): Float64Array {
  const [height, columns] = [values.length / width, width - 2 * RADIUS];
  const out = new Float64Array(columns * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < columns; x++) {
      let sum = 0;
      for (let k = 0; k < TAPS.length; k++) sum += TAPS[k] * values[y * width + x + k];
      out[x * height + y] = sum / TAPS_SUM;
    }
  }
  return out;
}
