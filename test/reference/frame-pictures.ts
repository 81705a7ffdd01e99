/** Plain twins of the kernels of image/frame-pictures, before rounding. */

const bytesOf = (word: number) => [0, 8, 16, 24].map((shift) => (word >>> shift) & 255);
const clamped = (value: number) => Math.min(1, Math.max(0, value));

/** rgba8 words over a background → straight colours and alpha, [P, 4], of 255. */
export function straightAlpha(rgba8: Uint32Array, background: readonly number[]): Float64Array {
  return Float64Array.from(
    [...rgba8].flatMap((word) => {
      const [r, g, b, alpha] = bytesOf(word).map((value) => value / 255);
      if (!alpha) return [0, 0, 0, 0];
      const color = [r, g, b].map((over, c) => clamped((over - (1 - alpha) * background[c]) / alpha));
      return [...color, alpha].map((value) => 255 * value);
    }),
  );
}

/** rgba8 words → alpha as opaque grey, [P, 4], of 255. */
export function alphaPicture(rgba8: Uint32Array): Float64Array {
  return Float64Array.from(
    [...rgba8].flatMap((word) => {
      const alpha = word >>> 24;
      return [alpha, alpha, alpha, 255];
    }),
  );
}

/** Whether a pixel shows a surface: an alpha of at least a half. */
const isSurface = (word: number, depth: number) => word >>> 24 >= 128 && depth > 0;

/** The depths of surfaces, in ascending order. */
export function surfaceDepths(rgba8: Uint32Array, depth: Float32Array): number[] {
  return [...depth].filter((z, i) => isSurface(rgba8[i], z)).sort((a, b) => a - b);
}

/** Depth in units, [P]; 0 without a surface. */
export function depthUnits(rgba8: Uint32Array, depth: Float32Array, unit: number): Float64Array {
  return Float64Array.from(depth, (z, i) =>
    isSurface(rgba8[i], z) ? Math.min(65535, Math.max(1, z / unit)) : 0,
  );
}

/** Coefficients of the colour map by power of t: red, green, blue. */
const VIRIDIS = [
  [0.2777273272234177, 0.005407344544966578, 0.3340998053353061],
  [0.1050930431085774, 1.404613529898575, 1.384590162594685],
  [-0.3308618287255563, 0.214847559468213, 0.09509516302823659],
  [-4.634230498983486, -5.799100973351585, -19.33244095627987],
  [6.228269936347081, 14.17993336680509, 56.69055260068105],
  [4.776384997670288, -13.74514537774601, -65.35303263337234],
  [-5.435455855934631, 4.645852612178535, 26.3124352495832],
];

/** viridis at t in [0, 1], of 255. */
export function viridis(t: number): number[] {
  return [0, 1, 2].map(
    (c) => 255 * clamped(VIRIDIS.reduce((sum, row, power) => sum + row[c] * t ** power, 0)),
  );
}

/** The coloured preview, [P, 4], of 255: inverse depth from `far` to `near`; black without a surface. */
export function depthPreview(
  rgba8: Uint32Array,
  depth: Float32Array,
  near: number,
  far: number,
): Float64Array {
  return Float64Array.from(
    [...depth].flatMap((z, i) => {
      if (!isSurface(rgba8[i], z)) return [0, 0, 0, 255];
      return [...viridis(clamped((1 / z - 1 / far) / (1 / near - 1 / far))), 255];
    }),
  );
}

/** Blended normals, image [P, 3] over grey and alpha [P], → colours, [P, 4], of 255; black without a surface. */
export function normalPicture(image: ArrayLike<number>, alpha: ArrayLike<number>): Float64Array {
  return Float64Array.from(
    Array.from(alpha).flatMap((value, i) => {
      const normal = [0, 1, 2].map((c) => 2 * image[3 * i + c] - 1);
      const length = Math.hypot(...normal);
      if (Math.floor(255 * value + 0.5) < 128 || !length) return [0, 0, 0, 255];
      return [...normal.map((part) => 127.5 * (part / length + 1)), 255];
    }),
  );
}
