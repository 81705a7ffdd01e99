import { apply, dot, type Matrix, multiply, scale, transpose } from './matrix.ts';
import { harmonics } from './sh.ts';

/** One Gaussian's parameters as they are stored: log scales, un-normalised wxyz, logit, SH [K, 3]. */
export interface Gaussian {
  mean: number[];
  logScales: number[];
  quat: number[];
  opacityLogit: number;
  sh: Matrix;
}

export interface Camera {
  /** World to camera, [4, 4]; OpenCV axes. */
  viewmat: Matrix;
  fx: number;
  fy: number;
  cx: number;
  cy: number;
  width: number;
  height: number;
}

/** What the picture sees of a Gaussian. */
export interface Splat {
  /** Pixels; pixel centres at +0.5. */
  center: number[];
  /** Inverse of the blurred 2D covariance: xx, xy, yy. */
  conic: number[];
  /** Of the blurred 2D covariance: xx, yy. */
  spread: number[];
  color: number[];
  opacity: number;
  /** Camera z as f32 holds it: the sort key. */
  depth: number;
}

/** Gradients of the loss to a splat's numbers. */
export interface SplatGradient {
  center: number[];
  conic: number[];
  color: number[];
  opacity: number;
}

const NEAR = 0.01;
const FAR = 1e10;
const BLUR = 0.3;
const MARGIN = 0.3;
const MIN_ALPHA = 1 / 255;

/**
 * gsplat's projection of one Gaussian, in double precision; undefined where it is culled. `antialias`: its antialiased mode, otherwise
 * its classic one.
 */
export function project(
  gaussian: Gaussian,
  camera: Camera,
  shDegree: number,
  antialias = false,
): Splat | undefined {
  const view = viewOf(gaussian, camera);
  const [x, y, z] = view.position;
  if (!(z >= NEAR && z <= FAR)) return undefined;
  const { xx, xy, yy, determinant, sharp } = covariance2d(gaussian, camera);
  const compensation = antialias ? Math.sqrt(Math.max(0, sharp / determinant)) : 1;
  const opacity = compensation / (1 + Math.exp(-gaussian.opacityLogit));
  if (opacity < MIN_ALPHA) return undefined;
  if (!(determinant > 0)) return undefined;
  const { raw } = colorOf(gaussian, camera, shDegree);
  return {
    center: [(camera.fx * x) / z + camera.cx, (camera.fy * y) / z + camera.cy],
    conic: [yy / determinant, -xy / determinant, xx / determinant],
    spread: [xx, yy],
    color: raw.map((value) => Math.max(0, value)),
    opacity,
    depth: Math.fround(z),
  };
}

/** From gradients with respect to projected values to gradients with respect to stored parameters. */
export function projectBackward(
  gaussian: Gaussian,
  camera: Camera,
  shDegree: number,
  gradient: SplatGradient,
  antialias = false,
): Gaussian {
  const { rotation: world, position } = viewOf(gaussian, camera);
  const [x, y, z] = position;
  const { fx, fy } = camera;
  const { xx, xy, yy, determinant, sharp, jacobian, clampedX, clampedY, tx, ty } = covariance2d(
    gaussian,
    camera,
  );

  // conic = Σ⁻¹, so dL/dΣ = −Σ⁻¹ G Σ⁻¹, G the symmetric matrix of the conic's gradient.
  const conic = scale(
    [
      [yy, -xy],
      [-xy, xx],
    ],
    1 / determinant,
  );
  const byConic = [
    [gradient.conic[0], gradient.conic[1] / 2],
    [gradient.conic[1] / 2, gradient.conic[2]],
  ];
  let byFlat = scale(multiply(multiply(conic, byConic), conic), -1);
  const opacity = 1 / (1 + Math.exp(-gaussian.opacityLogit));
  const compensation = antialias ? Math.sqrt(Math.max(0, sharp / determinant)) : 1;
  if (antialias) {
    // c² = det Σ / det (Σ + BLUR·I), and d det M = adj(M) : dM.
    const adjugate = [
      [yy - BLUR, -xy],
      [-xy, xx - BLUR],
    ];
    const byRatio = adjugate.map((row, i) =>
      row.map((value, k) => value / determinant - compensation ** 2 * conic[i][k]),
    );
    const weight = (gradient.opacity * opacity) / (2 * compensation);
    byFlat = byFlat.map((row, i) => row.map((value, k) => value + weight * byRatio[i][k]));
  }

  // Σ = J C Jᵀ with C the covariance in camera space.
  const { covariance, shape, unit, scales, length } = covariance3d(gaussian);
  const inCamera = multiply(multiply(world, covariance), transpose(world));
  const byCamera = multiply(multiply(transpose(jacobian), byFlat), jacobian);
  const byJacobian = scale(multiply(multiply(byFlat, jacobian), inCamera), 2);

  const byPosition = [0, 0, 0];
  byPosition[0] += (gradient.center[0] * fx) / z;
  byPosition[1] += (gradient.center[1] * fy) / z;
  byPosition[2] -= (gradient.center[0] * fx * x + gradient.center[1] * fy * y) / z ** 2;
  byPosition[2] -= (byJacobian[0][0] * fx + byJacobian[1][1] * fy) / z ** 2;
  // Where x/z is clamped, J's x is z times a constant: no gradient to x, and half of the free one to z.
  if (!clampedX) byPosition[0] -= (byJacobian[0][2] * fx) / z ** 2;
  if (!clampedY) byPosition[1] -= (byJacobian[1][2] * fy) / z ** 2;
  byPosition[2] += ((clampedX ? 1 : 2) * byJacobian[0][2] * fx * tx) / z ** 3;
  byPosition[2] += ((clampedY ? 1 : 2) * byJacobian[1][2] * fy * ty) / z ** 3;
  const mean = apply(transpose(world), byPosition);

  // C = W V Wᵀ and V = M Mᵀ with M = R·diag(s).
  const byCovariance = multiply(multiply(transpose(world), byCamera), world);
  const byShape = scale(multiply(byCovariance, shape), 2);
  const rotation = rotationOf(unit);
  const logScales = scales.map((s, k) => s * dot(column(rotation, k), column(byShape, k)));
  const byRotation = byShape.map((row) => row.map((value, k) => value * scales[k]));
  const byUnit = rotationDerivatives(unit).map((derivative) =>
    derivative.reduce((sum, row, i) => sum + dot(row, byRotation[i]), 0),
  );
  const along = dot(byUnit, unit);
  const quat = byUnit.map((value, i) => (value - along * unit[i]) / length);

  const { raw, terms, direction, distance } = colorOf(gaussian, camera, shDegree);
  const byRaw = gradient.color.map((value, c) => (raw[c] > 0 ? value : 0));
  const sh = gaussian.sh.map((_, band) => byRaw.map((value) => (terms[band]?.[0] ?? 0) * value));
  const byDirection = [1, 2, 3].map((axis) =>
    terms.reduce((sum, term, band) => sum + term[axis] * dot(gaussian.sh[band], byRaw), 0),
  );
  const outward = dot(byDirection, direction);
  byDirection.forEach((value, i) => {
    mean[i] += (value - outward * direction[i]) / distance;
  });

  const opacityLogit = gradient.opacity * compensation * opacity * (1 - opacity);
  return { mean, logScales, quat, opacityLogit, sh };
}

function viewOf({ mean }: Gaussian, { viewmat }: Camera) {
  const rotation = viewmat.slice(0, 3).map((row) => row.slice(0, 3));
  const position = viewmat.slice(0, 3).map((row) => dot(row.slice(0, 3), mean) + row[3]);
  return { rotation, position };
}

function covariance3d({ quat, logScales }: Gaussian) {
  const length = Math.hypot(...quat);
  const unit = quat.map((value) => value / length);
  const scales = logScales.map(Math.exp);
  const shape = rotationOf(unit).map((row) => row.map((value, k) => value * scales[k]));
  return { length, unit, scales, shape, covariance: multiply(shape, transpose(shape)) };
}

function covariance2d(gaussian: Gaussian, camera: Camera) {
  const { fx, fy, cx, cy, width, height } = camera;
  const { rotation: world, position } = viewOf(gaussian, camera);
  const [x, y, z] = position;
  const marginX = (MARGIN * width) / (2 * fx);
  const marginY = (MARGIN * height) / (2 * fy);
  const [slopeX, clampedX] = clampSlope(x / z, -cx / fx - marginX, (width - cx) / fx + marginX);
  const [slopeY, clampedY] = clampSlope(y / z, -cy / fy - marginY, (height - cy) / fy + marginY);
  const [tx, ty] = [z * slopeX, z * slopeY];
  const jacobian = [
    [fx / z, 0, (-fx * tx) / z ** 2],
    [0, fy / z, (-fy * ty) / z ** 2],
  ];
  const flat = multiply(jacobian, world);
  const [[a, b], [, d]] = multiply(multiply(flat, covariance3d(gaussian).covariance), transpose(flat));
  const [xx, xy, yy] = [a + BLUR, b, d + BLUR];
  const sharp = a * d - b * b;
  return { xx, xy, yy, determinant: xx * yy - xy * xy, sharp, jacobian, clampedX, clampedY, tx, ty };
}

function clampSlope(slope: number, low: number, high: number): [number, boolean] {
  return [Math.min(high, Math.max(low, slope)), slope < low || slope > high];
}

function colorOf({ mean, sh }: Gaussian, { viewmat }: Camera, degree: number) {
  const eye = [0, 1, 2].map((i) => -[0, 1, 2].reduce((sum, k) => sum + viewmat[k][i] * viewmat[k][3], 0));
  const offset = mean.map((value, i) => value - eye[i]);
  const distance = Math.hypot(...offset);
  const direction = offset.map((value) => value / distance);
  const terms = harmonics(degree, direction);
  const raw = [0, 1, 2].map((c) => terms.reduce((sum, term, band) => sum + term[0] * sh[band][c], 0.5));
  return { raw, terms, direction, distance };
}

function rotationOf([w, x, y, z]: number[]): Matrix {
  return [
    [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
    [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
    [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
  ];
}

/** d rotationOf / d w, x, y, z. */
function rotationDerivatives([w, x, y, z]: number[]): Matrix[] {
  return [
    [
      [0, -z, y],
      [z, 0, -x],
      [-y, x, 0],
    ],
    [
      [0, y, z],
      [y, -2 * x, -w],
      [z, w, -2 * x],
    ],
    [
      [-2 * y, x, w],
      [x, 0, z],
      [-w, z, -2 * y],
    ],
    [
      [-2 * z, -w, x],
      [w, -2 * z, y],
      [x, y, 0],
    ],
  ].map((matrix) => scale(matrix, 2));
}

function column(matrix: Matrix, k: number): number[] {
  return matrix.map((row) => row[k]);
}
