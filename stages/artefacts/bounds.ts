import type { Vec3 } from './camera.ts';
import type { HostGaussians } from './gaussians.ts';

/** The bounds of a splat without its outliers, world units. */
export interface RobustBounds {
  center: Vec3;
  /** Radius of the sphere around `center` that contains 95 % of the opacity. */
  radius: number;
}

const MAX_SAMPLES = 200_000;
const TRIM = 0.02; // of the opacity, at either end of each axis
const INSIDE = 0.95;

/**
 * Center and radius of a splat from opacity-weighted percentiles, because distant transparent floaters distort a bounding
 * box or a mean. Large splats are sampled at even strides.
 */
export function robustBounds({ means, opacityLogits, count }: HostGaussians): RobustBounds {
  const stride = Math.max(1, Math.floor(count / MAX_SAMPLES));
  const rows = Array.from({ length: Math.ceil(count / stride) }, (_, i) => i * stride);
  const weights = rows.map((row) => 1 / (1 + Math.exp(-opacityLogits[row])));
  const center = [0, 1, 2].map((axis) => {
    const values = rows.map((row) => means[3 * row + axis]);
    const [low, high] = percentiles(values, weights, [TRIM, 1 - TRIM]);
    return (low + high) / 2;
  });
  const distances = rows.map((row) =>
    Math.hypot(means[3 * row] - center[0], means[3 * row + 1] - center[1], means[3 * row + 2] - center[2]),
  );
  const [radius] = percentiles(distances, weights, [INSIDE]);
  return { center: [center[0], center[1], center[2]], radius };
}

/** The values below which the given fractions of the total weight lie. */
export function percentiles(values: readonly number[], weights: readonly number[], parts: readonly number[]) {
  const order = values.map((_, i) => i).sort((a, b) => values[a] - values[b] || a - b);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return parts.map((part) => {
    let sum = 0;
    for (const i of order) {
      sum += weights[i];
      if (sum >= part * total) return values[i];
    }
    return values[order[order.length - 1]];
  });
}
