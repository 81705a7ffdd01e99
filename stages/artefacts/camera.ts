/**
 * A pinhole camera, OpenCV convention: x right, y down, z forward; pixel centres at +0.5.
 * `viewmat` [4,4] row-major, world → camera. Focal lengths and principal point in pixels of `width` × `height`.
 */
export interface Camera {
  width: number;
  height: number;
  fx: number;
  fy: number;
  cx: number;
  cy: number;
  viewmat: readonly number[];
}

export type Vec3 = readonly [number, number, number];

/** Camera centre in world coordinates: −Rᵀt. */
export function cameraCenter({ viewmat: m }: Camera): Vec3 {
  return [
    -(m[0] * m[3] + m[4] * m[7] + m[8] * m[11]),
    -(m[1] * m[3] + m[5] * m[7] + m[9] * m[11]),
    -(m[2] * m[3] + m[6] * m[7] + m[10] * m[11]),
  ];
}

/** Where a point appears: pixel coordinates, and its depth z (world units), at most 0 behind the camera. */
export function projectPoint({ fx, fy, cx, cy, viewmat: m }: Camera, [x, y, z]: Vec3) {
  const row = (k: number) => m[k] * x + m[k + 1] * y + m[k + 2] * z + m[k + 3];
  const depth = row(8);
  return { x: (fx * row(0)) / depth + cx, y: (fy * row(4)) / depth + cy, z: depth };
}

/** Whether a projected point is in front of the camera and inside its picture. */
export function isInPicture({ width, height }: Camera, { x, y, z }: { x: number; y: number; z: number }) {
  return z > 0 && x >= 0 && x <= width && y >= 0 && y <= height;
}

/** Tolerance of the axes' lengths and angles. */
const ROTATION_TOLERANCE = 1e-3;

/** Whether three axes are those of a rotation: orthonormal, with determinant 1. */
export function isRotation(x: Vec3, y: Vec3, z: Vec3): boolean {
  const products = [dot(x, x) - 1, dot(y, y) - 1, dot(z, z) - 1, dot(x, y), dot(y, z), dot(z, x)];
  return products.every((value) => Math.abs(value) <= ROTATION_TOLERANCE) && dot(cross(x, y), z) > 0;
}

/** Whether a matrix [4,4], row-major, is a pose: [R t; 0 0 0 1], with a rotation R. */
export function isPose(m: readonly number[]): boolean {
  const row = (k: number): Vec3 => [m[k], m[k + 1], m[k + 2]];
  return isRotation(row(0), row(4), row(8)) && m.slice(12).join() === '0,0,0,1';
}

/** The same view at another image size; principal point and focal lengths scale per axis. */
export function resizeCamera(camera: Camera, width: number, height: number): Camera {
  const sx = width / camera.width;
  const sy = height / camera.height;
  return {
    width,
    height,
    fx: camera.fx * sx,
    fy: camera.fy * sy,
    cx: camera.cx * sx,
    cy: camera.cy * sy,
    viewmat: camera.viewmat,
  };
}

/** A camera at `eye` that looks at `target`; `up` is the world's up direction (it appears as −y in the image). */
export function lookAt(eye: Vec3, target: Vec3, up: Vec3): number[] {
  const forward = normalize(subtract(target, eye));
  const right = normalize(cross(forward, up));
  const down = cross(forward, right);
  const row = (axis: Vec3) => [...axis, -dot(axis, eye)];
  return [...row(right), ...row(down), ...row(forward), 0, 0, 0, 1];
}

export function subtract(a: Vec3, b: Vec3): Vec3 {
  return [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
}

export function dot(a: Vec3, b: Vec3): number {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

export function cross(a: Vec3, b: Vec3): Vec3 {
  return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
}

export function normalize(a: Vec3): Vec3 {
  const length = Math.hypot(...a) || 1;
  return [a[0] / length, a[1] / length, a[2] / length];
}

/** Of a matrix [3,3], row-major. */
export function determinant3(m: readonly number[]): number {
  return (
    m[0] * (m[4] * m[8] - m[5] * m[7]) -
    m[1] * (m[3] * m[8] - m[5] * m[6]) +
    m[2] * (m[3] * m[7] - m[4] * m[6])
  );
}

/** The solution x of a·x = b by Cramer's rule, a [3,3] row-major and regular. */
export function solve3(a: readonly number[], b: readonly number[]): Vec3 {
  const determinant = determinant3(a);
  const column = (k: number) =>
    determinant3(a.map((value, at) => (at % 3 === k ? b[Math.floor(at / 3)] : value)));
  return [column(0) / determinant, column(1) / determinant, column(2) / determinant];
}
