/** Plain twin of image/undistort: a photograph as a pinhole camera sees it, before rounding. */
import { distort } from '../../stages/load/lens.ts';
import type { Lens, Pinhole } from '../../wgsl/image/undistort.ts';

export interface Rgba8 {
  width: number;
  height: number;
  /** [H, W, 4]. */
  rgba: Uint8Array;
}

/**
 * Bilinear samples of the stored values; the border continues outside. [height, width, 4], 0–255. With `blanks`, pixels outside and
 * beyond the lens's fold are 0, and those within 0.001 pixels of either are NaN.
 */
export function undistortPicture(
  photo: Rgba8,
  lens: Lens,
  { width, height, pinhole }: { width: number; height: number; pinhole: Pinhole },
  blanks = false,
): Float64Array {
  const value = (x: number, y: number, channel: number) => {
    const column = Math.min(photo.width - 1, Math.max(0, x));
    const row = Math.min(photo.height - 1, Math.max(0, y));
    return photo.rgba[4 * (row * photo.width + column) + channel];
  };
  return Float64Array.from({ length: 4 * width * height }, (_, i) => {
    const pixel = Math.floor(i / 4);
    const px = (pixel % width) + 0.5;
    const py = Math.floor(pixel / width) + 0.5;
    const [u, v] = [(px - pinhole.cx) / pinhole.fx, (py - pinhole.cy) / pinhole.fy];
    const [x, y] = distort(lens, u, v);
    if (blanks) {
      const { angular, foldRadius = Number.POSITIVE_INFINITY } = lens;
      const radius = Math.hypot(u, v);
      const bent = angular ? Math.atan(angular.scale * radius) / angular.divisor : radius;
      const margin = Math.min(x, y, photo.width - x, photo.height - y, (foldRadius - bent) * lens.fx);
      if (Math.abs(margin) < 1e-3) return Number.NaN;
      if (margin < 0) return 0;
    }
    const [left, top] = [Math.floor(x - 0.5), Math.floor(y - 0.5)];
    const [right, down] = [x - 0.5 - left, y - 0.5 - top];
    const above = (1 - right) * value(left, top, i % 4) + right * value(left + 1, top, i % 4);
    const below = (1 - right) * value(left, top + 1, i % 4) + right * value(left + 1, top + 1, i % 4);
    return (1 - down) * above + down * below;
  });
}
