/** A picture [H, W, 4]; alpha is ignored. */
export interface RgbaPicture {
  width: number;
  height: number;
  data: ArrayLike<number>;
}

/**
 * Plain twin of image/structure, in double precision: the correlation ρ of the luminance gradients at half resolution, weighted by
 * the base's magnitude, and the gradient of 1 − ρ to the picture, [H, W, 4].
 */
export function structure(
  picture: RgbaPicture,
  base: RgbaPicture,
): { correlation: number; gradient: Float64Array } {
  const [w, h] = [Math.floor(picture.width / 2), Math.floor(picture.height / 2)];
  const [y, yBase] = [halved(picture, w, h), halved(base, w, h)];
  const places: { at: number; a: number[]; b: number[]; weight: number }[] = [];
  for (let row = 0; row + 1 < h; row++) {
    for (let column = 0; column + 1 < w; column++) {
      const at = row * w + column;
      const of = (values: Float64Array) => [values[at + 1] - values[at], values[at + w] - values[at]];
      const b = of(yBase);
      places.push({ at, a: of(y), b, weight: Math.hypot(...b) });
    }
  }
  const dot = (p: number[], q: number[]) => p[0] * q[0] + p[1] * q[1];
  const sum = (value: (place: (typeof places)[0]) => number) =>
    places.reduce((total, place) => total + place.weight * value(place), 0);
  const [ab, aa, bb] = [sum(({ a, b }) => dot(a, b)), sum(({ a }) => dot(a, a)), sum(({ b }) => dot(b, b))];
  const correlation = ab / Math.sqrt(aa * bb);
  const slope = new Float64Array(w * h);
  for (const { at, a, b, weight } of places) {
    [1, w].forEach((step, i) => {
      const change = -weight * (b[i] / Math.sqrt(aa * bb) - (correlation * a[i]) / aa);
      slope[at + step] += change;
      slope[at] -= change;
    });
  }
  const gradient = new Float64Array(4 * picture.width * picture.height);
  for (let row = 0; row < 2 * h; row++) {
    for (let column = 0; column < 2 * w; column++) {
      LUMA.forEach((luma, c) => {
        gradient[4 * (row * picture.width + column) + c] = (luma / 4) * slope[(row >> 1) * w + (column >> 1)];
      });
    }
  }
  return { correlation, gradient };
}

const LUMA = [0.2126, 0.7152, 0.0722];

function halved({ width, data }: RgbaPicture, w: number, h: number): Float64Array {
  return Float64Array.from({ length: w * h }, (_, at) => {
    const first = 2 * Math.floor(at / w) * width + 2 * (at % w);
    const pixels = [first, first + 1, first + width, first + width + 1];
    return pixels.reduce(
      (sum, pixel) => sum + LUMA.reduce((luma, factor, c) => luma + factor * data[4 * pixel + c], 0) / 4,
      0,
    );
  });
}
