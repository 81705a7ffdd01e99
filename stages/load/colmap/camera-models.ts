/**
 * COLMAP's camera models (colmap/src/colmap/sensor/models.h): the position in the list is the id that binary files
 * use, `params` the number of parameters that follow in a camera's record. All can be read; training supports
 * only those without distortion.
 */
const CAMERA_MODELS = [
  { name: 'SIMPLE_PINHOLE', params: 3 }, // f, cx, cy
  { name: 'PINHOLE', params: 4 }, // fx, fy, cx, cy
  { name: 'SIMPLE_RADIAL', params: 4 },
  { name: 'RADIAL', params: 5 },
  { name: 'OPENCV', params: 8 },
  { name: 'OPENCV_FISHEYE', params: 8 },
  { name: 'FULL_OPENCV', params: 12 },
  { name: 'FOV', params: 5 },
  { name: 'SIMPLE_RADIAL_FISHEYE', params: 4 },
  { name: 'RADIAL_FISHEYE', params: 5 },
  { name: 'THIN_PRISM_FISHEYE', params: 12 },
  { name: 'RAD_TAN_THIN_PRISM_FISHEYE', params: 16 },
  { name: 'SIMPLE_DIVISION', params: 4 },
  { name: 'DIVISION', params: 5 },
  { name: 'SIMPLE_FISHEYE', params: 3 },
  { name: 'FISHEYE', params: 4 },
  { name: 'EUCM', params: 6 },
  { name: 'EQUIRECTANGULAR', params: 2 },
] as const;

export type CameraModelName = (typeof CAMERA_MODELS)[number]['name'];

export interface CameraModel {
  id: number;
  name: CameraModelName;
  params: number;
}

export const CAMERA_MODEL_NAMES: readonly string[] = CAMERA_MODELS.map(({ name }) => name);

export function cameraModelById(id: number): CameraModel | undefined {
  const model = CAMERA_MODELS[id];
  return model && { id, ...model };
}

export function cameraModelByName(name: string): CameraModel | undefined {
  return cameraModelById(CAMERA_MODELS.findIndex((model) => model.name === name));
}
