import type { Lens } from '../../../wgsl/image/undistort.ts';
import { lensOf } from '../lens.ts';

type LensOfParams = (params: readonly number[]) => Lens;
type Coefficients = (coefficients: readonly number[]) => Partial<Lens>;

/** The radius in the picture is the angle to the axis: equidistant. */
const FISHEYE = { scale: 1, divisor: 1 };

/** f, cx, cy, then the coefficients. */
const oneFocal =
  (coefficients: Coefficients): LensOfParams =>
  ([f, cx, cy, ...rest]) =>
    lensOf({ fx: f, fy: f, cx, cy }, coefficients(rest));

/** fx, fy, cx, cy, then the coefficients. */
const twoFocals =
  (coefficients: Coefficients): LensOfParams =>
  ([fx, fy, cx, cy, ...rest]) =>
    lensOf({ fx, fy, cx, cy }, coefficients(rest));

/** Devernay and Faugeras, "Straight lines have to be straight": without distortion at ω = 0. */
function fieldOfView(omega: number): Partial<Lens> {
  return Math.abs(omega) < 1e-6 ? {} : { angular: { scale: 2 * Math.tan(omega / 2), divisor: omega } };
}

/**
 * COLMAP's camera models (colmap/src/colmap/sensor/models.h): the position in the list is the id that binary files
 * use, `params` the number of parameters that follow in a camera's record. All can be read; those with a `lens` can be
 * trained on.
 */
const CAMERA_MODELS: readonly { name: string; params: number; lens?: LensOfParams }[] = [
  { name: 'SIMPLE_PINHOLE', params: 3, lens: oneFocal(() => ({})) },
  { name: 'PINHOLE', params: 4, lens: twoFocals(() => ({})) },
  { name: 'SIMPLE_RADIAL', params: 4, lens: oneFocal(([k]) => ({ radial: [k, 0, 0, 0] })) },
  { name: 'RADIAL', params: 5, lens: oneFocal(([k1, k2]) => ({ radial: [k1, k2, 0, 0] })) },
  {
    name: 'OPENCV',
    params: 8,
    lens: twoFocals(([k1, k2, p1, p2]) => ({ radial: [k1, k2, 0, 0], tangential: [p1, p2] })),
  },
  {
    name: 'OPENCV_FISHEYE',
    params: 8,
    lens: twoFocals(([k1, k2, k3, k4]) => ({ angular: FISHEYE, radial: [k1, k2, k3, k4] })),
  },
  {
    name: 'FULL_OPENCV',
    params: 12,
    lens: twoFocals(([k1, k2, p1, p2, k3, k4, k5, k6]) => ({
      radial: [k1, k2, k3, 0],
      radialDivisor: [k4, k5, k6],
      tangential: [p1, p2],
    })),
  },
  { name: 'FOV', params: 5, lens: twoFocals(([omega]) => fieldOfView(omega)) },
  {
    name: 'SIMPLE_RADIAL_FISHEYE',
    params: 4,
    lens: oneFocal(([k]) => ({ angular: FISHEYE, radial: [k, 0, 0, 0] })),
  },
  {
    name: 'RADIAL_FISHEYE',
    params: 5,
    lens: oneFocal(([k1, k2]) => ({ angular: FISHEYE, radial: [k1, k2, 0, 0] })),
  },
  {
    name: 'THIN_PRISM_FISHEYE',
    params: 12,
    lens: twoFocals(([k1, k2, p1, p2, k3, k4, sx1, sy1]) => ({
      angular: FISHEYE,
      radial: [k1, k2, k3, k4],
      tangential: [p1, p2],
      prism: [sx1, sy1],
    })),
  },
  { name: 'RAD_TAN_THIN_PRISM_FISHEYE', params: 16 },
  { name: 'SIMPLE_DIVISION', params: 4 },
  { name: 'DIVISION', params: 5 },
  { name: 'SIMPLE_FISHEYE', params: 3, lens: oneFocal(() => ({ angular: FISHEYE })) },
  { name: 'FISHEYE', params: 4, lens: twoFocals(() => ({ angular: FISHEYE })) },
  { name: 'EUCM', params: 6 },
  { name: 'EQUIRECTANGULAR', params: 2 },
];

export interface CameraModel {
  id: number;
  name: string;
  params: number;
  /** The lens of a camera with these parameters. Absent where `load` cannot undistort the model. */
  lens?: LensOfParams;
}

export const CAMERA_MODEL_NAMES: readonly string[] = CAMERA_MODELS.map(({ name }) => name);

export function cameraModelById(id: number): CameraModel | undefined {
  const model = CAMERA_MODELS[id];
  return model && { id, ...model };
}

export function cameraModelByName(name: string): CameraModel | undefined {
  return cameraModelById(CAMERA_MODELS.findIndex((model) => model.name === name));
}
