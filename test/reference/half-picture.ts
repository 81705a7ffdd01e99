/** Plain twin of image/half-picture: what `pack` and `composite` make of a picture on black, f32 [P, 4]. Not rounded to f16. */
export function composited(picture: ArrayLike<number>, background: readonly number[]): Float64Array {
  return Float64Array.from({ length: picture.length }, (_, i) => {
    const alpha = picture[i - (i % 4) + 3];
    return i % 4 === 3 ? alpha : picture[i] + (1 - alpha) * background[i % 4];
  });
}
