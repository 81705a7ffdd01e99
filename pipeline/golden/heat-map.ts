import type { Picture } from './picture.ts';

/** Black, violet, red, yellow, white: brightness grows with the difference, so that it reads in grey too. */
const STOPS = [
  [0, 0, 0],
  [87, 16, 110],
  [188, 55, 84],
  [249, 142, 9],
  [252, 255, 230],
] as const;

/** The least difference, in 8-bit levels, that the map's top shows: rounding is not made to look like a fault. */
const LEAST_TOP = 8;

/**
 * Where two pictures of one size differ: the largest difference of each pixel's channels as a colour. `top` is the number of
 * 8-bit levels that the brightest colour stands for.
 */
export function heatMap(a: Picture, b: Picture): Picture & { top: number } {
  const { width, height } = a;
  const levels = Array.from({ length: width * height }, (_, pixel) =>
    Math.max(...[0, 1, 2].map((c) => Math.abs(a.rgb[3 * pixel + c] - b.rgb[3 * pixel + c]))),
  );
  const top = levels.reduce((most, level) => Math.max(most, level), LEAST_TOP);
  const rgb = new Uint8Array(3 * width * height);
  for (const [pixel, level] of levels.entries()) rgb.set(colorOf(level / top), 3 * pixel);
  return { width, height, rgb, top };
}

/** The colour of a value in 0–1. */
export function colorOf(value: number): number[] {
  const at = value * (STOPS.length - 1);
  const low = Math.min(STOPS.length - 2, Math.floor(at));
  return [0, 1, 2].map((c) => Math.round(STOPS[low][c] + (at - low) * (STOPS[low + 1][c] - STOPS[low][c])));
}
