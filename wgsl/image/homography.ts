import { random4 } from '../core/index.ts';
import { type CropRequest, type CropTransform, cropTransforms } from './crop-transforms.ts';

type Row = readonly [number, number, number];

/** A square crop as a homography: see `shared/warps.wgsl`. */
export interface Homography {
  /** Output position (u, v, 1) → source position, homogeneous; the denominator is 1 at the crop's middle. */
  rows: readonly [Row, Row, Row];
  /** The inverse matrix. */
  inverseRows: readonly [Row, Row, Row];
}

type Point = readonly [number, number];

/**
 * Random crops as `cropTransforms` with corners that move inwards, each by up to `distortion`/2 of the side along both axes: the
 * amplitude of torchvision's RandomPerspective. The crop stretches the quadrilateral to a square, so nothing has to be filled in.
 * A pure function of its arguments.
 */
export function perspectiveCrops(request: CropRequest, distortion: number): Homography[] {
  const { seed, purpose = 'crop', step, batch, size } = request;
  return cropTransforms(request).map((transform, index) => {
    // Beyond the numbers of `cropTransforms`.
    const inwards = [0, 1].flatMap((half) => random4(seed, purpose, step, 2 * (batch + index) + half));
    const corners = CORNERS.map(([x, y], i): Point => {
      const [across, down] = [inwards[2 * i], inwards[2 * i + 1]].map((share) => (share * distortion) / 2);
      return sourceOf(transform, size * (x ? 1 - across : across), size * (y ? 1 - down : down));
    });
    return homographyTo(corners, size);
  });
}

/** Of the unit square, in the order around it. */
const CORNERS: readonly Point[] = [
  [0, 0],
  [1, 0],
  [1, 1],
  [0, 1],
];

function sourceOf({ axisX, axisY, origin }: CropTransform, u: number, v: number): Point {
  return [origin[0] + u * axisX[0] + v * axisY[0], origin[1] + u * axisX[1] + v * axisY[1]];
}

/**
 * The homography from the square of side `size` to a convex quadrilateral, its corners in the order (0, 0), (1, 0), (1, 1), (0, 1)
 * (Heckbert 1989, section 2.2.3).
 */
export function homographyTo(corners: readonly Point[], size: number): Homography {
  const [[x0, y0], [x1, y1], [x2, y2], [x3, y3]] = corners;
  const [sumX, sumY] = [x0 - x1 + x2 - x3, y0 - y1 + y2 - y3];
  const [ax, ay, bx, by] = [x1 - x2, y1 - y2, x3 - x2, y3 - y2];
  const determinant = ax * by - bx * ay;
  const g = (sumX * by - bx * sumY) / determinant;
  const h = (ax * sumY - sumX * ay) / determinant;
  const matrix = [
    [(x1 - x0 + g * x1) / size, (x3 - x0 + h * x3) / size, x0],
    [(y1 - y0 + g * y1) / size, (y3 - y0 + h * y3) / size, y0],
    [g / size, h / size, 1],
  ];
  const middle = 1 + (g + h) / 2;
  const rows = matrix.map(
    ([a, b, c]): Row => [a / middle, b / middle, c / middle],
  ) as unknown as Homography['rows'];
  return { rows, inverseRows: inverse(rows) };
}

function inverse([a, b, c]: Homography['rows']): Homography['rows'] {
  const columns = [cross(b, c), cross(c, a), cross(a, b)];
  const determinant = a[0] * columns[0][0] + a[1] * columns[0][1] + a[2] * columns[0][2];
  const row = (i: number): Row => [
    columns[0][i] / determinant,
    columns[1][i] / determinant,
    columns[2][i] / determinant,
  ];
  return [row(0), row(1), row(2)];
}

function cross(a: Row, b: Row): Row {
  return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
}

/**
 * Lower bounds over a crop of the reciprocal reach of its filter along both axes, min(w, |axis − P·w′|), with the denominator w and the
 * source position P: the first is linear, so it is least at a corner; the second is the distance of P to the vanishing point of
 * the axis times |w′|, so it is least on an edge of the quadrilateral.
 */
export function leastReach({ rows }: Homography, size: number): [number, number] {
  const [r0, r1, r2] = rows;
  const places = CORNERS.map(([u, v]) => [u * size, v * size] as const);
  const denominators = places.map(([u, v]) => r2[0] * u + r2[1] * v + r2[2]);
  const corners = places.map(
    ([u, v], i): Point => [
      (r0[0] * u + r0[1] * v + r0[2]) / denominators[i],
      (r1[0] * u + r1[1] * v + r1[2]) / denominators[i],
    ],
  );
  const along = (axis: 0 | 1): number => {
    const scaled = ([x, y]: Point): Point => [r0[axis] - x * r2[axis], r1[axis] - y * r2[axis]];
    const ends = corners.map(scaled);
    const lengths = ends.map((end, i) => distanceToOrigin(end, ends[(i + 1) % 4]));
    return Math.min(...denominators, ...lengths);
  };
  return [along(0), along(1)];
}

/** Distance of a segment to (0, 0). */
function distanceToOrigin([ax, ay]: Point, [bx, by]: Point): number {
  const [dx, dy] = [bx - ax, by - ay];
  const squares = dx * dx + dy * dy;
  const at = squares > 0 ? Math.min(1, Math.max(0, -(ax * dx + ay * dy) / squares)) : 0;
  return Math.hypot(ax + at * dx, ay + at * dy);
}
