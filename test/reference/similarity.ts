type Point = readonly [number, number, number];

/**
 * How far points are from others after the similarity (scale, rotation, translation) that fits them best: Horn, "Closed-form solution
 * of absolute orientation using unit quaternions", 1987. `extent` is the largest distance between two points of `to`.
 */
export function alignment(from: readonly Point[], to: readonly Point[]): { rmse: number; extent: number } {
  const [a, b] = [centred(from), centred(to)];
  const m = [0, 1, 2].map((i) => [0, 1, 2].map((j) => sum(a.map((p, k) => p[i] * b[k][j]))));
  const [[xx, xy, xz], [yx, yy, yz], [zx, zy, zz]] = m;
  const [w, x, y, z] = dominant([
    [xx + yy + zz, yz - zy, zx - xz, xy - yx],
    [yz - zy, xx - yy - zz, xy + yx, zx + xz],
    [zx - xz, xy + yx, yy - xx - zz, yz + zy],
    [xy - yx, zx + xz, yz + zy, zz - xx - yy],
  ]);
  const rotation = [
    [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
    [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
    [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
  ];
  const turned = a.map((p) => rotation.map((row) => sum(row.map((value, i) => value * p[i]))));
  const scale = sum(turned.map((p, k) => dot(p, b[k]))) / sum(a.map((p) => dot(p, p)));
  const errors = turned.map((p, k) =>
    squaredDistance(
      p.map((value) => scale * value),
      b[k],
    ),
  );
  const distances = to.flatMap((p) => to.map((q) => Math.sqrt(squaredDistance(p, q))));
  return { rmse: Math.sqrt(sum(errors) / to.length), extent: Math.max(...distances) };
}

/** The eigenvector of the largest eigenvalue of a symmetric matrix, by powers of a shifted one. */
function dominant(matrix: readonly number[][]): number[] {
  const shift = Math.max(...matrix.map((row) => sum(row.map(Math.abs)))); // then no eigenvalue is negative
  let vector = [1, 0.1, 0.2, 0.3];
  for (let i = 0; i < 10_000; i++) {
    const next = matrix.map((row, r) => shift * vector[r] + dot(row, vector));
    const length = Math.hypot(...next);
    vector = next.map((value) => value / length);
  }
  return vector;
}

function centred(points: readonly Point[]): number[][] {
  const mean = [0, 1, 2].map((axis) => sum(points.map((point) => point[axis])) / points.length);
  return points.map((point) => point.map((value, axis) => value - mean[axis]));
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
const dot = (a: readonly number[], b: readonly number[]) => sum(a.map((value, i) => value * b[i]));
const squaredDistance = (a: readonly number[], b: readonly number[]) =>
  sum(a.map((value, i) => (value - b[i]) ** 2));
