import type { Homography } from '../../wgsl/image/homography.ts';

export interface WarpCase {
  width: number;
  height: number;
  size: number;
  homographies: readonly Homography[];
  mean: readonly number[];
  deviation: readonly number[];
}

/**
 * Crops [B, 3, S, S] of an image [H, W, 4] by homographies, in double precision: every output pixel visits every pixel of the image, and
 * weighs it by the triangle filter in the coordinates of the map's Jacobian there, found by inverting that 2 × 2 matrix.
 */
export function warp(
  image: Float64Array,
  { width, height, size, homographies, mean, deviation }: WarpCase,
): Float64Array {
  const result = new Float64Array(homographies.length * 3 * size * size);
  homographies.forEach(({ rows: [r0, r1, r2] }, index) => {
    for (let i = 0; i < size * size; i++) {
      const [u, v] = [(i % size) + 0.5, Math.floor(i / size) + 0.5];
      const at = (row: readonly number[]) => row[0] * u + row[1] * v + row[2];
      const w = at(r2);
      const [x, y] = [at(r0) / w, at(r1) / w];
      const [a, c] = [(r0[0] - x * r2[0]) / w, (r1[0] - y * r2[0]) / w];
      const [b, d] = [(r0[1] - x * r2[1]) / w, (r1[1] - y * r2[1]) / w];
      const determinant = a * d - b * c;
      const radiusX = Math.max(1, 1 / Math.hypot(a, c));
      const radiusY = Math.max(1, 1 / Math.hypot(b, d));
      let total = 0;
      const sums = [0, 0, 0];
      for (let p = 0; p < width * height; p++) {
        const dx = (p % width) + 0.5 - x;
        const dy = Math.floor(p / width) + 0.5 - y;
        const s = (d * dx - b * dy) / determinant;
        const t = (a * dy - c * dx) / determinant;
        const weight = Math.max(0, 1 - Math.abs(s) / radiusX) * Math.max(0, 1 - Math.abs(t) / radiusY);
        total += weight;
        for (let channel = 0; channel < 3; channel++) {
          sums[channel] += weight * Math.min(1, Math.max(0, image[4 * p + channel]));
        }
      }
      sums.forEach((sum, channel) => {
        const value = total > 1e-6 ? sum / total : 0;
        result[(index * 3 + channel) * size * size + i] = (value - mean[channel]) / deviation[channel];
      });
    }
  });
  return result;
}
