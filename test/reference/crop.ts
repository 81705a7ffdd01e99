import type { CropTransform } from '../../wgsl/image/crop-transforms.ts';

export interface CropCase {
  width: number;
  height: number;
  size: number;
  transforms: readonly CropTransform[];
  mean: readonly number[];
  deviation: readonly number[];
}

/**
 * Crops [B, 3, S, S] of an image [H, W, 4] in double precision: every output pixel visits every pixel of the image and weighs
 * it by the triangle filter in the crop's own coordinates (found by inverting the 2 × 2 map).
 */
export function crop(
  image: Float64Array,
  { width, height, size, transforms, mean, deviation }: CropCase,
): Float64Array {
  const result = new Float64Array(transforms.length * 3 * size * size);
  transforms.forEach(({ axisX: [a, c], axisY: [b, d], origin }, index) => {
    const determinant = a * d - b * c;
    // Half width of the filter in output pixels: one source pixel, or one output pixel where those are larger.
    const radiusX = Math.max(1, 1 / Math.hypot(a, c));
    const radiusY = Math.max(1, 1 / Math.hypot(b, d));
    for (let i = 0; i < size * size; i++) {
      let total = 0;
      const sums = [0, 0, 0];
      for (let p = 0; p < width * height; p++) {
        const x = (p % width) + 0.5 - origin[0];
        const y = Math.floor(p / width) + 0.5 - origin[1];
        const u = (d * x - b * y) / determinant - ((i % size) + 0.5);
        const v = (a * y - c * x) / determinant - (Math.floor(i / size) + 0.5);
        const weight = Math.max(0, 1 - Math.abs(u) / radiusX) * Math.max(0, 1 - Math.abs(v) / radiusY);
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
