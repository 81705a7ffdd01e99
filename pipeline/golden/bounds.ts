import type { Camera } from '../../stages/artefacts/camera.ts';
import type { Score } from '../../stages/artefacts/scores.ts';
import type { Difference } from './compare.ts';
import type { GoldenScore } from './format.ts';

/**
 * On another adapter, unless the recording is told otherwise: rounding moves a channel by a level here and there, and where two
 * splats change places in depth, by a few.
 */
export const DEFAULT_TOLERANCE: Difference = { max: 8, mean: 0.02, ssim: 0.999 };

/** The tolerance must be this many times what was measured on the recording adapter. */
export const MARGIN_FACTOR = 2;

/** Seeds differ more than adapters do; still, few runs see only part of the spread. */
const SPREAD_FACTOR = 3;
/** Bounds never get narrower than this: decibels, and as a part of the golden value for every other unit. */
const LEAST_DECIBELS = 0.5;
const LEAST_PART = 0.05;

/** Cameras are sums of a few cosines in double precision: other builds of V8 differ in the last bits. Relative. */
export const CAMERA_TOLERANCE = 1e-6;

/** In words, each number whose tolerance is not `MARGIN_FACTOR` times the measured margin. */
export function tooNarrow(tolerance: Difference, margin: Difference): string[] {
  const needed = {
    max: MARGIN_FACTOR * margin.max,
    mean: MARGIN_FACTOR * margin.mean,
    ssim: 1 - MARGIN_FACTOR * (1 - margin.ssim),
  };
  const digits = (value: number) => String(Number(value.toPrecision(4)));
  return [
    ...(tolerance.max < needed.max ? [`--max ${digits(needed.max)}`] : []),
    ...(tolerance.mean < needed.mean ? [`--mean ${digits(needed.mean)}`] : []),
    ...(tolerance.ssim > needed.ssim ? [`--ssim ${digits(needed.ssim)}`] : []),
  ];
}

/** Bounds of each score, from what the same chain scored with other seeds. */
export function scoreBounds(scores: readonly Score[], others: readonly (readonly Score[])[]): GoldenScore[] {
  return scores.map((golden) => {
    const distances = others.flatMap((scores) =>
      scores.filter(({ name }) => name === golden.name).map(({ value }) => Math.abs(value - golden.value)),
    );
    const spread = round(Math.max(0, ...distances));
    const least = golden.unit === 'dB' ? LEAST_DECIBELS : LEAST_PART * Math.abs(golden.value);
    return { ...golden, bound: round(Math.max(least, SPREAD_FACTOR * spread)), spread };
  });
}

/** The largest difference of two cameras' numbers, relative to the size of the number (at least 1). */
export function cameraDistance(a: Camera, b: Camera): number {
  const numbers = (camera: Camera) => [
    camera.width,
    camera.height,
    camera.fx,
    camera.fy,
    camera.cx,
    camera.cy,
    ...camera.viewmat,
  ];
  const [x, y] = [numbers(a), numbers(b)];
  return Math.max(...x.map((value, i) => Math.abs(value - y[i]) / Math.max(1, Math.abs(value))));
}

function round(value: number): number {
  return Number(value.toFixed(6));
}
