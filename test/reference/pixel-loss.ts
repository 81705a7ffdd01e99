import type { RgbaPicture } from './structure.ts';

const EPSILON = 1 / 255;
const rounded = (d: number) => Math.sqrt(d * d + EPSILON * EPSILON) - EPSILON;
const slope = (d: number) => d / Math.sqrt(d * d + EPSILON * EPSILON);

/** A loss and its gradient to the picture, [H, W, 4]. */
interface LossAndGradient {
  loss: number;
  gradient: Float64Array;
}

/** Plain twin of image/total-variation, in double precision. */
export function totalVariation(picture: RgbaPicture, base: RgbaPicture): LossAndGradient {
  const { width, height } = picture;
  const values = 3 * width * height;
  const gradient = new Float64Array(4 * width * height);
  const change = (at: number) => picture.data[at] - base.data[at];
  let loss = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let c = 0; c < 3; c++) {
        const at = 4 * (y * width + x) + c;
        const next = [...(x + 1 < width ? [at + 4] : []), ...(y + 1 < height ? [at + 4 * width] : [])];
        for (const other of next) {
          const difference = change(other) - change(at);
          loss += rounded(difference) / values;
          gradient[other] += slope(difference) / values;
          gradient[at] -= slope(difference) / values;
        }
      }
    }
  }
  return { loss, gradient };
}

/** Plain twin of image/masked-l1, in double precision. `mask`: [H, W]. */
export function maskedL1(
  picture: RgbaPicture,
  base: RgbaPicture,
  mask: (pixel: number) => number,
): LossAndGradient {
  const pixels = picture.width * picture.height;
  const gradient = new Float64Array(4 * pixels);
  let loss = 0;
  for (let i = 0; i < 4 * pixels; i++) {
    if (i % 4 === 3) continue;
    const share = mask(Math.floor(i / 4)) / (3 * pixels);
    const difference = picture.data[i] - base.data[i];
    loss += share * rounded(difference);
    gradient[i] = share * slope(difference);
  }
  return { loss, gradient };
}
