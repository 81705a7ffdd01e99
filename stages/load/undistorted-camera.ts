import { InputError } from '../../wgsl/core/index.ts';
import type { Lens, Pinhole } from '../../wgsl/image/undistort.ts';
import { distort, isPinhole, scaleLens, undistort } from './lens.ts';

/** The longest side of a calibrated picture, pixels. The search for its undistorted camera follows the border. */
export const MAX_SIDE = 2 ** 16;

/** The calibration of a picture: its lens, in pixels of this size. */
export interface Calibration {
  width: number;
  height: number;
  lens: Lens;
  /** The name of the camera model. */
  model: string;
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
 * The pinhole camera to which pictures of this calibration are undistorted, with the same focal lengths, and the principal point at the same
 * part of the picture: with `blankPixels` 0 the largest that has no blank pixel, with 1 the smallest that keeps every pixel of the
 * photograph. Size and intrinsics are those of COLMAP's `image_undistorter --blank_pixels` (`UndistortCamera` in
 * colmap/src/colmap/image/undistortion.cc).
 *
 * @throws InputError where a pinhole camera cannot hold the field of view, or the distortion has no inverse.
 */
export function undistortedCamera(calibration: Calibration, blankPixels = 0): UndistortedCamera {
  const { width, height, lens } = calibration;
  const { fx, fy, cx, cy } = lens;
  if (isPinhole(lens)) return { width, height, pinhole: { fx, fy, cx, cy } };
  const { inner, outer } = borders(calibration);
  const across = [outer.left, inner.left, inner.right, outer.right] as const;
  const down = [outer.top, inner.top, inner.bottom, outer.bottom] as const;
  const scaleX = scaleOf(cx, width, across, blankPixels);
  const scaleY = scaleOf(cy, height, down, blankPixels);
  const to = {
    width: Math.floor(Math.max(1, scaleX * width)),
    height: Math.floor(Math.max(1, scaleY * height)),
  };
  const pinhole = { fx, fy, cx: (cx * to.width) / width, cy: (cy * to.height) / height };
  const camera = { ...to, pinhole };
  if (blankPixels === 0) checkBorder(calibration, camera);
  checkFieldOfView(calibration, camera, blankPixels);
  return camera;
}

interface Border {
  left: number;
  right: number;
  top: number;
  bottom: number;
}

/**
 * The places, in pixels of a pinhole camera with the lens's intrinsics, of the border's pixels that are nearest to the middle (`inner`) and
 * farthest from it (`outer`); infinite for a side that no ray below 90° reaches.
 */
function borders({ width, height, lens }: Calibration): { inner: Border; outer: Border } {
  const inner = { left: -Infinity, right: Infinity, top: -Infinity, bottom: Infinity };
  const outer = { left: Infinity, right: -Infinity, top: Infinity, bottom: -Infinity };
  const note = (first: 'left' | 'top', last: 'right' | 'bottom', low?: number, high?: number) => {
    if (low !== undefined) {
      inner[first] = Math.max(inner[first], low);
      outer[first] = Math.min(outer[first], low);
    }
    if (high !== undefined) {
      inner[last] = Math.min(inner[last], high);
      outer[last] = Math.max(outer[last], high);
    }
  };
  const across = (ray?: readonly number[]) => ray && lens.fx * ray[0] + lens.cx;
  const down = (ray?: readonly number[]) => ray && lens.fy * ray[1] + lens.cy;
  for (let y = 0.5; y < height; y++) {
    note('left', 'right', across(undistort(lens, 0.5, y)), across(undistort(lens, width - 0.5, y)));
  }
  for (let x = 0.5; x < width; x++) {
    note('top', 'bottom', down(undistort(lens, x, 0.5)), down(undistort(lens, x, height - 0.5)));
  }
  return { inner, outer };
}

/** The factor of the size along one axis, from the outer and inner places of both sides: between those that keep no blank pixel and all. */
function scaleOf(
  center: number,
  size: number,
  [outerFirst, innerFirst, innerLast, outerLast]: readonly [number, number, number, number],
  blankPixels: number,
): number {
  const shares = (first: number, last: number) => [
    center / (center - first),
    (size - 0.5 - center) / (last - center),
  ];
  const none = Math.max(...shares(innerFirst, innerLast));
  const all = Math.min(...shares(outerFirst, outerLast));
  const inverse = blankPixels === 0 ? none : all * blankPixels + none * (1 - blankPixels);
  return Math.min(MAX_SCALE, Math.max(MIN_SCALE, 1 / inverse));
}

function checkFieldOfView(
  { camera, file }: Calibration,
  { width, height, pinhole }: UndistortedCamera,
  blankPixels: number,
) {
  const { fx, fy, cx, cy } = pinhole;
  const angle = (focal: number, center: number, size: number) =>
    ((Math.atan(center / focal) + Math.atan((size - center) / focal)) * 180) / Math.PI;
  const widest = Math.max(angle(fx, cx, width), angle(fy, cy, height));
  if (widest > MAX_FIELD_OF_VIEW) {
    throw new InputError(
      `${camera} sees ${Math.round(widest)}° or more, and pictures are undistorted to pinhole cameras of at most ` +
        `${MAX_FIELD_OF_VIEW}°; ${blankPixels > 0 ? 'lower `blankPixels`, or ' : ''}crop the pictures to their middle and ` +
        'calibrate them again',
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
