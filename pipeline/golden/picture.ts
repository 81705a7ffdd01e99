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
  try {
    const { width, height, data } = PNG.sync.read(await readFile(path));
    return { width, height, rgb: withoutAlpha(data) };
  } catch (error) {
    throw new InputError(`cannot be read as a PNG: ${(error as Error).message}`, path);
  }
}

/** rgb of rgba pixels. */
export function withoutAlpha(rgba: Uint8Array): Uint8Array {
  return Uint8Array.from(rgba.filter((_, i) => i % 4 < 3));
}

export function encodePicture({ width, height, rgb }: Picture): Buffer {
  const png = new PNG({ width, height });
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

/**
 * Compares on the CPU in double precision and shares no code with the GPU's metrics, which are under test themselves. Rounds
 * to six decimals. Throws when the sizes differ, or a side is below 11 pixels.
 */
export function compare(a: Picture, b: Picture): Difference {
  if (a.width !== b.width || a.height !== b.height) {
    throw new Error(`pictures of ${a.width}×${a.height} and ${b.width}×${b.height} cannot be compared`);
  }
  const levels = levelDifferences(a, b);
  const round = (value: number) => Number(value.toFixed(6));
  return { max: largest(levels), mean: round(average(levels)), ssim: round(ssim(a, b)) };
}

/** The absolute difference of two pictures, times `gain` so that the largest is bright; rounding stays dark. */
export function differencePicture(a: Picture, b: Picture): Picture & { gain: number } {
  const levels = levelDifferences(a, b);
  const gain = Math.floor(255 / Math.max(8, largest(levels)));
  return { ...a, rgb: levels.map((level) => gain * level), gain };
}

/** The absolute difference of each channel of each pixel, [H, W, 3]. */
function levelDifferences(a: Picture, b: Picture): Uint8Array {
  return a.rgb.map((level, i) => Math.abs(level - b.rgb[i]));
}

function largest(levels: Uint8Array): number {
  return levels.reduce((max, level) => Math.max(max, level), 0);
}

function average(values: Uint8Array | Float64Array): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum / values.length;
}

const RADIUS = 5;
const SIGMA = 1.5;
const C1 = (0.01 * 255) ** 2;
const C2 = (0.03 * 255) ** 2;
const GAUSSIAN = Array.from({ length: 2 * RADIUS + 1 }, (_, i) =>
  Math.exp(-((i - RADIUS) ** 2) / (2 * SIGMA ** 2)),
);
const WINDOW = GAUSSIAN.map((tap) => tap / GAUSSIAN.reduce((sum, one) => sum + one));

function ssim({ width, height, rgb: x }: Picture, { rgb: y }: Picture): number {
  if (Math.min(width, height) <= 2 * RADIUS) throw new Error(`${width}×${height} is too small for SSIM`);
  const local = (value: (i: number) => number) => {
    const values = Float64Array.from(x, (_, i) => value(i));
    return blurAndTranspose(blurAndTranspose(values, width), height);
  };
  const [mx, my] = [local((i) => x[i]), local((i) => y[i])];
  const [mxx, myy, mxy] = [local((i) => x[i] ** 2), local((i) => y[i] ** 2), local((i) => x[i] * y[i])];
  const similarity = mx.map((_, i) => {
    const [vx, vy, vxy] = [mxx[i] - mx[i] ** 2, myy[i] - my[i] ** 2, mxy[i] - mx[i] * my[i]];
    const [squares, products] = [mx[i] ** 2 + my[i] ** 2, mx[i] * my[i]];
    return ((2 * products + C1) * (2 * vxy + C2)) / ((squares + C1) * (vx + vy + C2));
  });
  return average(similarity);
}

/** Blurs each row of [H, W, 3] where the window lies wholly inside; returns the transpose, [W − 10, H, 3]. */
function blurAndTranspose(values: Float64Array, width: number): Float64Array {
  const height = values.length / 3 / width;
  const out = new Float64Array(3 * (width - 2 * RADIUS) * height);
  for (let i = 0; i < out.length; i++) {
    const [x, y] = [Math.floor(i / 3 / height), Math.floor(i / 3) % height];
    const first = 3 * (y * width + x) + (i % 3);
    for (let k = 0; k < WINDOW.length; k++) out[i] += WINDOW[k] * values[first + 3 * k];
  }
  return out;
}
