/** Plain twin of splat/edit/recolor-sh, in double precision. */
import type { ColorChange } from '../../wgsl/image/recolor.ts';

const C0 = 0.28209479177387814;

/** SH [N, K, 3] of colours M·c + o, mixed with those before by the weight of each Gaussian. */
export function recolorSh(
  sh: ArrayLike<number>,
  width: number,
  weights: ArrayLike<number>,
  { matrix, offset }: ColorChange,
): number[] {
  const result = Array.from(sh);
  for (let first = 0; first < sh.length; first += 3) {
    const coefficient = first / 3;
    const weight = weights[Math.floor(coefficient / width)];
    const isBand0 = coefficient % width === 0;
    for (let channel = 0; channel < 3; channel++) {
      // Band 0 as a colour, so that the offset applies; the other bands are differences of colours.
      const at = (from: number) => (isBand0 ? 0.5 + C0 * sh[first + from] : sh[first + from]);
      const turned = matrix[channel].reduce((sum, factor, from) => sum + factor * at(from), 0);
      const changed = isBand0 ? (turned + offset[channel] - 0.5) / C0 : turned;
      const before = sh[first + channel];
      result[first + channel] = before + weight * (changed - before);
    }
  }
  return result;
}
