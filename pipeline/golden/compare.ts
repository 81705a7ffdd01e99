import type { Picture } from './picture.ts';

/** How far two pictures of one size are apart. */
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
/** Decimals that are kept: reports of equal pictures are equal text. */
const DECIMALS = 6;

/**
 * Compares on the CPU in double precision and shares no code with the GPU's own metrics: what is judged must not judge itself.
 * Throws when the sizes differ, or a side is below 11 pixels.
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
  const round = (value: number) => Number(value.toFixed(DECIMALS));
  return { max, mean: round(sum / a.rgb.length), ssim: round(ssim(a, b)) };
}

/** The worst of several, number by number. */
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
  let sum = 0;
  for (let channel = 0; channel < 3; channel++) {
    const [x, y] = [plane(a, channel), plane(b, channel)];
    const product = (u: Float64Array, v: Float64Array) => u.map((value, i) => value * v[i]);
    const [mx, my, mxx, myy, mxy] = [x, y, product(x, x), product(y, y), product(x, y)].map((values) =>
      blur(values, width, height),
    );
    let total = 0;
    for (let i = 0; i < mx.length; i++) {
      const [vx, vy, vxy] = [mxx[i] - mx[i] ** 2, myy[i] - my[i] ** 2, mxy[i] - mx[i] * my[i]];
      total +=
        ((2 * mx[i] * my[i] + C1) * (2 * vxy + C2)) / ((mx[i] ** 2 + my[i] ** 2 + C1) * (vx + vy + C2));
    }
    sum += total / mx.length;
  }
  return sum / 3;
}

/** One channel in 0–1. */
function plane({ rgb }: Picture, channel: number): Float64Array {
  return Float64Array.from({ length: rgb.length / 3 }, (_, pixel) => rgb[3 * pixel + channel] / 255);
}

/** The window's weighted mean at every place where it lies wholly inside: [H − 10, W − 10]. */
function blur(values: Float64Array, width: number, height: number): Float64Array {
  const taps = Array.from({ length: 2 * RADIUS + 1 }, (_, i) =>
    Math.exp(-((i - RADIUS) ** 2) / (2 * SIGMA ** 2)),
  );
  const total = taps.reduce((sum, tap) => sum + tap, 0);
  const columns = width - 2 * RADIUS;
  const rows = height - 2 * RADIUS;
  const across = new Float64Array(columns * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < columns; x++) {
      let sum = 0;
      for (let k = 0; k < taps.length; k++) sum += taps[k] * values[y * width + x + k];
      across[y * columns + x] = sum / total;
    }
  }
  const out = new Float64Array(columns * rows);
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++) {
      let sum = 0;
      for (let k = 0; k < taps.length; k++) sum += taps[k] * across[(y + k) * columns + x];
      out[y * columns + x] = sum / total;
    }
  }
  return out;
}
