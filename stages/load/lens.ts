import type { Lens, Pinhole } from '../../wgsl/image/undistort.ts';

/** A lens without distortion until coefficients are added. */
export function lensOf(pinhole: Pinhole, coefficients: Partial<Lens> = {}): Lens {
  return {
    ...pinhole,
    radial: [0, 0, 0, 0],
    radialDivisor: [0, 0, 0],
    tangential: [0, 0],
    prism: [0, 0],
    ...coefficients,
  };
}

/** Whether the lens is a pinhole: no ray is distorted. */
export function isPinhole(lens: Lens): boolean {
  const { radial, radialDivisor, tangential, prism } = lens;
  return !lens.angular && ![radial, radialDivisor, tangential, prism].flat().some((value) => value !== 0);
}

/** The lens of a picture at another size; focal lengths and principal point scale per axis. */
export function scaleLens(lens: Lens, sx: number, sy: number): Lens {
  return { ...lens, fx: lens.fx * sx, fy: lens.fy * sy, cx: lens.cx * sx, cy: lens.cy * sy };
}

/** The pixel of the ray (u, v, 1), as `Lens` defines it. Double precision. */
export function distort(lens: Lens, u: number, v: number): [x: number, y: number] {
  const { angular } = lens;
  let factor = 1;
  if (angular) {
    const radius = Math.hypot(u, v);
    factor =
      radius > 1e-9
        ? Math.atan(angular.scale * radius) / (angular.divisor * radius)
        : angular.scale / angular.divisor;
  }
  const { x, y } = polynomial(lens, u * factor, v * factor);
  return [lens.fx * x + lens.cx, lens.fy * y + lens.cy];
}

const ITERATIONS = 100;
/** Newton's steps are limited to this, absolute and relative to the radius. COLMAP's value. */
const LARGEST_STEP = 0.1;
/** In units of the focal length: far below what a pixel shows. */
const PRECISION = 1e-9;

/**
 * The ray (u, v, 1) that reaches a pixel: the inverse of `distort`, by Newton's method from the distorted place (as COLMAP). Undefined
 * where the lens has no inverse: the distortion folds the picture there, or the ray is at 90° of the axis or more.
 */
export function undistort(lens: Lens, x: number, y: number): [u: number, v: number] | undefined {
  const target = { x: (x - lens.cx) / lens.fx, y: (y - lens.cy) / lens.fy };
  let u = target.x;
  let v = target.y;
  for (let i = 0; i < ITERATIONS; i++) {
    const at = polynomial(lens, u, v);
    const determinant = at.xu * at.yv - at.xv * at.yu;
    const dx = at.x - target.x;
    const dy = at.y - target.y;
    const du = (at.yv * dx - at.xv * dy) / determinant;
    const dv = (at.xu * dy - at.yu * dx) / determinant;
    const length = Math.hypot(du, dv);
    const share = Math.min(1, (LARGEST_STEP * Math.max(1, Math.hypot(u, v))) / length);
    if (length < PRECISION) return determinant > 0 ? rayOf(lens, u, v) : undefined;
    u -= share * du;
    v -= share * dv;
  }
  return undefined;
}

/** Steps of the search for a fold. */
const RADII = 4096;

/**
 * The radius of a ray, after the `angular` step, where the radial polynomial first turns back: the lens has no inverse beyond. Infinite
 * if it does not turn back below `limit`.
 */
export function foldRadius(lens: Lens, limit: number): number {
  const radial: Lens = { ...lens, tangential: [0, 0], prism: [0, 0] };
  const turnsBack = (radius: number) => polynomial(radial, radius, 0).xu <= 0;
  for (let i = 1; i <= RADII; i++) {
    const radius = (limit * i) / RADII;
    if (turnsBack(radius)) return (limit * (i - 1)) / RADII;
  }
  return Number.POSITIVE_INFINITY;
}

/** Undoes the `angular` step. */
function rayOf({ angular }: Lens, u: number, v: number): [u: number, v: number] | undefined {
  const radius = Math.hypot(u, v);
  if (!angular || radius < PRECISION) return [u, v];
  const angle = angular.divisor * radius;
  if (angle >= Math.PI / 2) return undefined;
  const factor = Math.tan(angle) / (angular.scale * radius);
  return [u * factor, v * factor];
}

/** The second step of `Lens`, with its derivatives: `xv` is dx/dv. */
function polynomial({ radial, radialDivisor, tangential, prism }: Lens, u: number, v: number) {
  const [a1, a2, a3, a4] = radial;
  const [b1, b2, b3] = radialDivisor;
  const [p1, p2] = tangential;
  const [s1, s2] = prism;
  const r2 = u * u + v * v;
  const above = 1 + r2 * (a1 + r2 * (a2 + r2 * (a3 + r2 * a4)));
  const below = 1 + r2 * (b1 + r2 * (b2 + r2 * b3));
  const aboveSlope = a1 + r2 * (2 * a2 + r2 * (3 * a3 + r2 * 4 * a4));
  const belowSlope = b1 + r2 * (2 * b2 + r2 * 3 * b3);
  const factor = above / below;
  const slope = (aboveSlope - factor * belowSlope) / below;
  return {
    x: u * factor + 2 * p1 * u * v + p2 * (r2 + 2 * u * u) + s1 * r2,
    y: v * factor + 2 * p2 * u * v + p1 * (r2 + 2 * v * v) + s2 * r2,
    xu: factor + 2 * u * u * slope + 2 * p1 * v + 6 * p2 * u + 2 * s1 * u,
    xv: 2 * u * v * slope + 2 * p1 * u + 2 * p2 * v + 2 * s1 * v,
    yu: 2 * u * v * slope + 2 * p2 * v + 2 * p1 * u + 2 * s2 * u,
    yv: factor + 2 * v * v * slope + 2 * p2 * u + 6 * p1 * v + 2 * s2 * v,
  };
}
