/** Plain twins of image/exposure and its kernels, in double precision. Pictures are [P, 4]; a matrix is 3×4 by rows. */

/** Applies the matrix to (r, g, b, 1) of each pixel; alpha stays. */
export function exposed(picture: ArrayLike<number>, matrix: ArrayLike<number>): Float64Array {
  return Float64Array.from(picture, (value, i) => {
    const channel = i % 4;
    if (channel === 3) return value;
    const [pixel, row] = [i - channel, 4 * channel];
    return (
      matrix[row] * picture[pixel] +
      matrix[row + 1] * picture[pixel + 1] +
      matrix[row + 2] * picture[pixel + 2] +
      matrix[row + 3]
    );
  });
}

/** From the gradient of the exposed picture to those of the picture and of the matrix. */
export function exposureBackward(
  picture: ArrayLike<number>,
  matrix: ArrayLike<number>,
  gradient: ArrayLike<number>,
): { picture: Float64Array; matrix: Float64Array } {
  const byMatrix = new Float64Array(12);
  const byPicture = Float64Array.from(gradient, (value, i) => {
    const channel = i % 4;
    if (channel === 3) return value;
    const pixel = i - channel;
    for (let k = 0; k < 4; k++) byMatrix[4 * channel + k] += value * (k < 3 ? picture[pixel + k] : 1);
    return [0, 1, 2].reduce((sum, row) => sum + matrix[4 * row + channel] * gradient[pixel + row], 0);
  });
  return { picture: byPicture, matrix: byMatrix };
}

/** Mean squared difference of the colours of two pictures. */
export function colorError(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) if (i % 4 < 3) sum += (a[i] - b[i]) ** 2;
  return sum / ((3 * a.length) / 4);
}
