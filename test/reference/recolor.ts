/** Plain twin of image/recolor, in double precision. */
import type { ColorChange } from '../../wgsl/image/recolor.ts';

/** Premultiplied rgba [P, 4] on black after a change of colours, over a background. */
export function recolor(
  picture: ArrayLike<number>,
  { matrix, offset }: ColorChange,
  background: ArrayLike<number>,
): number[] {
  const result = Array.from(picture);
  for (let first = 0; first < picture.length; first += 4) {
    const alpha = picture[first + 3];
    for (const [channel, row] of matrix.entries()) {
      const changed = row.reduce(
        (sum, factor, from) => sum + factor * picture[first + from],
        alpha * offset[channel],
      );
      result[first + channel] = Math.max(0, changed) + (1 - alpha) * background[channel];
    }
  }
  return result;
}
