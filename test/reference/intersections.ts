import type { Splat } from './project.ts';

/** Whether a tile must be in the list of a Gaussian, and whether it may be. */
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
  return { must, may: minExponent(splat, left + 0.5, top + 0.5, tile.size - 1) <= limit + SLACK };
}

function exponent({ conic }: Splat, dx: number, dy: number): number {
  return (conic[0] * dx * dx + conic[2] * dy * dy) / 2 + conic[1] * dx * dy;
}

/** Over the square from (left, top): 0 with the centre inside, otherwise on one of the four edges. */
function minExponent(splat: Splat, left: number, top: number, side: number): number {
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

/** Tiles with a pixel centre of the picture where α ≥ 1/255 by more than `margin` in the exponent: row by row, in double precision. */
export function tilesWithPixels(
  { center, conic, opacity }: Pick<Splat, 'center' | 'conic' | 'opacity'>,
  { width, height }: { width: number; height: number },
  size: number,
  margin = 0,
): Set<number> {
  const [xx, xy, yy] = conic;
  const limit = Math.log(255 * opacity) - margin;
  const tiles = new Set<number>();
  for (let y = 0; y < height; y++) {
    const dy = y + 0.5 - center[1];
    // ½ xx dx² + xy dx dy + ½ yy dy² ≤ limit between two roots.
    const discriminant = (xy * dy) ** 2 - xx * (yy * dy * dy - 2 * limit);
    if (!(discriminant >= 0)) continue;
    const [from, to] = [-1, 1].map(
      (sign) => center[0] + (-xy * dy + sign * Math.sqrt(discriminant)) / xx - 0.5,
    );
    const last = Math.min(width - 1, Math.floor(to));
    for (let x = Math.max(0, Math.ceil(from)); x <= last; x = size * (Math.floor(x / size) + 1)) {
      tiles.add(Math.floor(y / size) * Math.ceil(width / size) + Math.floor(x / size));
    }
  }
  return tiles;
}

/** The kernels' two slacks, as shared/tiles.wgsl has them. */
export const SLACKS = {
  count: { absolute: 1e-3, relative: 2 ** -19 },
  emit: { absolute: 0.5e-3, relative: 2 ** -20 },
} as const;

/**
 * The least exponent over a tile, less the relative slack, by the kernels' operations (shared/tiles.wgsl). Each has a rounding error
 * of one unit of f32 in the direction that `direction` gives for the operation's number.
 */
export function roundedExponent(
  { center, conic: [xx, xy, yy] }: Pick<Splat, 'center' | 'conic'>,
  tile: { x: number; y: number; size: number },
  relative: number,
  direction: (operation: number) => number,
): number {
  let operations = 0;
  const round = (value: number) => value * (1 + direction(operations++) * 2 ** -24);
  const low = [tile.x, tile.y].map((at, axis) => round(at * tile.size + 0.5 - center[axis]));
  const high = low.map((value) => round(value + tile.size - 1));
  const clamp = (value: number, axis: number) => Math.min(Math.max(value, low[axis]), high[axis]);
  const near = [clamp(0, 0), clamp(0, 1)];
  const least = (x: number, y: number) => {
    const cross = round(round(xy * x) * y);
    const squares = round(round(round(xx * x) * x) + round(round(yy * y) * y));
    return round(round(round(0.5 * (1 - relative) * squares) + cross) - round(relative * Math.abs(cross)));
  };
  const y = clamp(round(round(-xy * near[0]) / yy), 1);
  const x = clamp(round(round(-xy * near[1]) / xx), 0);
  return Math.min(least(near[0], y), least(x, near[1]));
}
