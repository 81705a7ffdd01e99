import type { Splat } from './project.ts';

/** Whether a tile of pixels has to be told of a splat, and whether it may be. */
export interface Touch {
  /** A pixel centre of the picture in the tile sees α ≥ 1/255, clearly. */
  must: boolean;
  /** Some point between the tile's outer pixel centres does, or nearly. */
  may: boolean;
}

/** Far more than f32 rounding moves an exponent, far less than a tile. */
const CLEAR = 1e-3;
const SLACK = 1e-2;

/** The exponent's least value decides: α = o·e^−σ ≥ 1/255 where σ ≤ ln(255·o). In double precision. */
export function touch(
  splat: Splat,
  tile: { x: number; y: number; size: number },
  picture: { width: number; height: number },
): Touch {
  const limit = Math.log(255 * splat.opacity);
  const [left, top] = [tile.x * tile.size, tile.y * tile.size];
  let must = false;
  for (let y = top; y < Math.min(top + tile.size, picture.height); y++) {
    for (let x = left; x < Math.min(left + tile.size, picture.width); x++) {
      must ||= exponent(splat, x + 0.5 - splat.center[0], y + 0.5 - splat.center[1]) <= limit - CLEAR;
    }
  }
  return { must, may: leastExponent(splat, left + 0.5, top + 0.5, tile.size - 1) <= limit + SLACK };
}

function exponent({ conic }: Splat, dx: number, dy: number): number {
  return (conic[0] * dx * dx + conic[2] * dy * dy) / 2 + conic[1] * dx * dy;
}

/** Over the square from (left, top): 0 with the centre inside, otherwise on one of the four edges. */
function leastExponent(splat: Splat, left: number, top: number, side: number): number {
  const low = [left - splat.center[0], top - splat.center[1]];
  const high = low.map((value) => value + side);
  if (low.every((value, axis) => value <= 0 && high[axis] >= 0)) return 0;
  const [xx, xy, yy] = splat.conic;
  const clamp = (value: number, axis: number) => Math.min(high[axis], Math.max(low[axis], value));
  return Math.min(
    ...[low[0], high[0]].map((x) => exponent(splat, x, clamp((-xy * x) / yy, 1))),
    ...[low[1], high[1]].map((y) => exponent(splat, clamp((-xy * y) / xx, 0), y)),
  );
}
