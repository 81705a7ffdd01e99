/** Plain twin of splat/edit/color-decay, in double precision. */

const LUMINANCE = [0.299, 0.587, 0.114];

/** Rec. 601. */
export const luminanceOf = (color: ArrayLike<number>) =>
  LUMINANCE.reduce((sum, share, channel) => sum + share * color[channel], 0);

/** SH [N, K, 3] after a decay of their change since `start` by the shares `chroma` and `luminance`. */
export function colorDecay(
  sh: ArrayLike<number>,
  start: ArrayLike<number>,
  shares: { chroma: number; luminance: number },
): number[] {
  const result = Array.from(start);
  for (let first = 0; first < sh.length; first += 3) {
    const change = [0, 1, 2].map((channel) => sh[first + channel] - start[first + channel]);
    const luminance = luminanceOf(change);
    for (const [channel, value] of change.entries()) {
      const left = (1 - shares.chroma) * (value - luminance) + (1 - shares.luminance) * luminance;
      result[first + channel] += left;
    }
  }
  return result;
}
