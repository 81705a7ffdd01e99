import { type RandomPurpose, random4 } from '../core/index.ts';

/** A square crop as an affine map with orthogonal axes: see `shared/crops.wgsl`. In source pixels per output pixel. */
export interface CropTransform {
  axisX: readonly [number, number];
  axisY: readonly [number, number];
  /** Source position of the output's corner (0, 0). */
  origin: readonly [number, number];
}

/** The random variation of crops. */
export interface CropAugment {
  /** Smallest and largest side of a crop, as a fraction of the largest that fits at its rotation. */
  scale: readonly [number, number];
  /** Largest rotation either way, degrees. */
  rotate: number;
  /** Mirror half of the crops, left to right. */
  flip: boolean;
}

export interface CropRequest {
  seed: number;
  /** Crops of two purposes are independent; `crop` unless given. */
  purpose?: RandomPurpose;
  step: number;
  batch: number;
  /** Of the picture, pixels. */
  width: number;
  height: number;
  /** Side of the crops, pixels. */
  size: number;
  augment: CropAugment;
}

/**
 * Random crops, a pure function of (seed, step, index): side, rotation and mirroring uniform in their ranges, the centre
 * uniform where the turned square stays inside the picture.
 */
export function cropTransforms({
  seed,
  purpose = 'crop',
  step,
  batch,
  width,
  height,
  size,
  augment,
}: CropRequest): CropTransform[] {
  return Array.from({ length: batch }, (_, index) => {
    const [sideAt, xAt, yAt, angleAt] = random4(seed, purpose, step, 2 * index);
    const [flipAt] = random4(seed, purpose, step, 2 * index + 1);
    const angle = ((2 * angleAt - 1) * augment.rotate * Math.PI) / 180;
    const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
    // The box around a turned square of side 1.
    const box = Math.abs(cos) + Math.abs(sin);
    const [small, large] = augment.scale;
    const side = (Math.min(width, height) / box) * (small + (large - small) * sideAt);
    const center = [width, height].map((length, i) => {
      const margin = (side * box) / 2;
      return margin + (length - 2 * margin) * (i ? yAt : xAt);
    });
    const step1 = side / size;
    const mirror = augment.flip && flipAt < 0.5 ? -1 : 1;
    const axisX = [mirror * step1 * cos, mirror * step1 * sin] as const;
    const axisY = [-step1 * sin, step1 * cos] as const;
    return { axisX, axisY, origin: corner(center, axisX, axisY, size) };
  });
}

/** How a preprocessor fits a picture to the encoder, before it cuts the middle. */
export type Fit =
  | { kind: 'shortest-edge'; pixels: number }
  | { kind: 'exact'; width: number; height: number };

/** The centre `size` × `size` of the picture after `fit`: the encoder's input in a CLIP preprocessor. */
export function centerTransform(width: number, height: number, fit: Fit, size: number): CropTransform {
  const shorter = Math.min(width, height);
  const [x, y] =
    fit.kind === 'exact'
      ? [width / fit.width, height / fit.height]
      : [shorter / fit.pixels, shorter / fit.pixels];
  const axisX = [x, 0] as const;
  const axisY = [0, y] as const;
  return { axisX, axisY, origin: corner([width / 2, height / 2], axisX, axisY, size) };
}

function corner(
  center: readonly number[],
  axisX: readonly [number, number],
  axisY: readonly [number, number],
  size: number,
): [number, number] {
  const half = size / 2;
  return [center[0] - half * (axisX[0] + axisY[0]), center[1] - half * (axisX[1] + axisY[1])];
}
