import { InputError } from '../../wgsl/core/index.ts';
import type { Lens, Pinhole } from '../../wgsl/image/undistort.ts';
import { distort, isPinhole, scaleLens, undistort } from './lens.ts';

/** The calibration of a picture: its lens, in pixels of this size. */
export interface Calibration {
  width: number;
  height: number;
  lens: Lens;
  /** Names the camera in errors, for example `camera 3 (OPENCV)`, and the file that defines it. */
  camera: string;
  file: string;
}

/** A picture without distortion. */
export interface UndistortedCamera {
  width: number;
  height: number;
  pinhole: Pinhole;
}

/** The change of the picture's size is limited to these factors, as in COLMAP. */
const MIN_SCALE = 0.2;
const MAX_SCALE = 2;
/** A pinhole camera stretches the border too much beyond this field of view, degrees, across or down. */
const MAX_FIELD_OF_VIEW = 110;
/** The undistorted picture may begin this many pixels outside of the photograph; these repeat its border. */
const BORDER = 1;

/** The calibration for a picture of another size than the calibrated one. */
export function scaleCalibration(calibration: Calibration, width: number, height: number): Calibration {
  const { lens } = calibration;
  const scaled = scaleLens(lens, width / calibration.width, height / calibration.height);
  return { ...calibration, width, height, lens: scaled };
}

/**
 * The pinhole camera to which pictures of this calibration are undistorted: the largest with the same focal lengths, and the principal point
 * at the same part of the picture, that has no blank pixel. Size and intrinsics are those of COLMAP's `image_undistorter
 * --blank_pixels 0` (`UndistortCamera` in colmap/src/colmap/image/undistortion.cc).
 *
 * @throws InputError where a pinhole camera cannot hold the field of view, or the distortion has no inverse.
 */
export function undistortedCamera(calibration: Calibration): UndistortedCamera {
  const { width, height, lens } = calibration;
  const { fx, fy, cx, cy } = lens;
  if (isPinhole(lens)) return { width, height, pinhole: { fx, fy, cx, cy } };
  const inner = innerBorder(calibration);
  const scaleX = scaleOf(cx, width, inner.left, inner.right);
  const scaleY = scaleOf(cy, height, inner.top, inner.bottom);
  const to = {
    width: Math.floor(Math.max(1, scaleX * width)),
    height: Math.floor(Math.max(1, scaleY * height)),
  };
  const pinhole = { fx, fy, cx: (cx * to.width) / width, cy: (cy * to.height) / height };
  const camera = { ...to, pinhole };
  checkBorder(calibration, camera);
  checkFieldOfView(calibration, camera);
  return camera;
}

/**
 * The places, in pixels of a pinhole camera with the lens's intrinsics, of the border's pixels that are nearest to the middle; infinite for a
 * side that no ray below 90° reaches.
 */
function innerBorder({ width, height, lens }: Calibration) {
  const inner = { left: -Infinity, right: Infinity, top: -Infinity, bottom: Infinity };
  for (let y = 0.5; y < height; y++) {
    const left = undistort(lens, 0.5, y);
    const right = undistort(lens, width - 0.5, y);
    if (left) inner.left = Math.max(inner.left, lens.fx * left[0] + lens.cx);
    if (right) inner.right = Math.min(inner.right, lens.fx * right[0] + lens.cx);
  }
  for (let x = 0.5; x < width; x++) {
    const top = undistort(lens, x, 0.5);
    const bottom = undistort(lens, x, height - 0.5);
    if (top) inner.top = Math.max(inner.top, lens.fy * top[1] + lens.cy);
    if (bottom) inner.bottom = Math.min(inner.bottom, lens.fy * bottom[1] + lens.cy);
  }
  return inner;
}

/** The factor of the size along one axis: the nearer of both sides decides. */
function scaleOf(center: number, size: number, first: number, last: number): number {
  const inverse = Math.max(center / (center - first), (size - 0.5 - center) / (last - center));
  return Math.min(MAX_SCALE, Math.max(MIN_SCALE, 1 / inverse));
}

function checkFieldOfView({ camera, file }: Calibration, { width, height, pinhole }: UndistortedCamera) {
  const { fx, fy, cx, cy } = pinhole;
  const angle = (focal: number, center: number, size: number) =>
    ((Math.atan(center / focal) + Math.atan((size - center) / focal)) * 180) / Math.PI;
  const widest = Math.max(angle(fx, cx, width), angle(fy, cy, height));
  if (widest > MAX_FIELD_OF_VIEW) {
    throw new InputError(
      `${camera} sees ${Math.round(widest)}° or more, and pictures are undistorted to pinhole cameras of at most ` +
        `${MAX_FIELD_OF_VIEW}°; crop the pictures to their middle and calibrate them again`,
      file,
    );
  }
}

/** Every pixel at the border of the undistorted picture must lie in the photograph, on the side of the distortion that has an inverse. */
function checkBorder(
  { camera, file, lens, ...from }: Calibration,
  { width, height, pinhole }: UndistortedCamera,
) {
  const check = (px: number, py: number) => {
    const [u, v] = [(px - pinhole.cx) / pinhole.fx, (py - pinhole.cy) / pinhole.fy];
    const [x, y] = distort(lens, u, v);
    const inside = x > -BORDER && y > -BORDER && x < from.width + BORDER && y < from.height + BORDER;
    const ray = inside && undistort(lens, x, y);
    if (ray && Math.hypot(ray[0] - u, ray[1] - v) < 1e-6) return;
    throw new InputError(
      `${camera} has distortion that cannot be undone at pixel ${px}, ${py} of the undistorted picture: ` +
        'its coefficients fold the picture there; calibrate the capture again, with fewer coefficients',
      file,
    );
  };
  for (let y = 0.5; y < height; y++) for (const x of [0.5, width - 0.5]) check(x, y);
  for (let x = 0.5; x < width; x++) for (const y of [0.5, height - 0.5]) check(x, y);
}
