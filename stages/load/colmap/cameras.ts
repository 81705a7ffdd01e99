import { InputError } from '../../../wgsl/core/index.ts';
import { excerpt } from '../../artefacts/excerpt.ts';
import { type Calibration, MAX_SIDE } from '../undistorted-camera.ts';
import { ByteReader } from './byte-reader.ts';
import { CAMERA_MODEL_NAMES, type CameraModel, cameraModelById, cameraModelByName } from './camera-models.ts';
import { TextReader } from './text-reader.ts';

/** A camera in COLMAP: a calibration that several images may share. Parameters in pixels of the camera's size. */
export interface ColmapCamera {
  id: number;
  model: string;
  width: number;
  height: number;
  params: number[];
}

const MIN_RECORD_BYTES = 4 + 4 + 8 + 8 + 2 * 8; // EQUIRECTANGULAR has the fewest parameters

/** cameras.bin: count u64, then id u32, model i32, width u64, height u64, parameters f64. */
export function readCamerasBinary(file: string, bytes: Uint8Array): Map<number, ColmapCamera> {
  const reader = new ByteReader(file, bytes);
  const cameras = new Map<number, ColmapCamera>();
  const count = reader.count('cameras', MIN_RECORD_BYTES);
  for (let i = 0; i < count; i++) {
    const id = reader.u32('a camera id');
    const modelId = reader.u32('a camera model');
    const model = cameraModelById(modelId);
    if (!model) {
      throw reader.error(
        `camera ${id} has model ${modelId}; COLMAP's camera models are 0 to ${CAMERA_MODEL_NAMES.length - 1}`,
        4,
      );
    }
    const width = reader.u64('a camera width');
    const height = reader.u64('a camera height');
    const params = Array.from({ length: model.params }, (_, k) =>
      reader.finite(`parameter ${k} of camera ${id}`),
    );
    add(cameras, { id, model: model.name, width, height, params }, (message) => reader.error(message));
  }
  reader.end(`${count} cameras`);
  return cameras;
}

/** cameras.txt: `CAMERA_ID MODEL WIDTH HEIGHT PARAMS[]` per line. */
export function readCamerasText(file: string, bytes: Uint8Array): Map<number, ColmapCamera> {
  const reader = new TextReader(file, bytes);
  const cameras = new Map<number, ColmapCamera>();
  for (let line = reader.next(); line; line = reader.next()) {
    const at = line;
    const fields = reader.fields(line, 4, 'CAMERA_ID MODEL WIDTH HEIGHT PARAMS[]');
    const id = reader.integer(line, fields[0], 'a camera id');
    const model = cameraModelByName(fields[1]);
    if (!model) {
      throw reader.error(
        line.number,
        `camera ${id} has model ${excerpt(fields[1])}; expected one of ${CAMERA_MODEL_NAMES.join(', ')}`,
      );
    }
    const width = reader.integer(line, fields[2], 'a camera width');
    const height = reader.integer(line, fields[3], 'a camera height');
    const params = fields
      .slice(4)
      .map((field, k) => reader.finite(at, field, `parameter ${k} of camera ${id}`));
    if (params.length !== model.params) {
      throw reader.error(line.number, wrongCount(id, model, params.length));
    }
    add(cameras, { id, model: model.name, width, height, params }, (message) =>
      reader.error(at.number, message),
    );
  }
  return cameras;
}

/**
 * The lens of a camera, for pictures of its size.
 * @throws InputError for a model that `load` cannot undistort.
 */
export function calibrationOf({ id, model, width, height, params }: ColmapCamera, file: string): Calibration {
  const lens = cameraModelByName(model)?.lens?.(params);
  if (lens) return { width, height, lens, model, camera: `camera ${id} (${model})`, file };
  const known = CAMERA_MODEL_NAMES.filter((name) => cameraModelByName(name)?.lens);
  throw new InputError(
    `camera ${id} has the model ${model}, and \`load\` takes pictures of ${known.join(', ')}; ` +
      'run COLMAP again with one of these, for example `colmap feature_extractor --ImageReader.camera_model OPENCV`',
    file,
  );
}

function wrongCount(id: number, model: CameraModel, found: number): string {
  return `camera ${id} has ${found} parameters, expected ${model.params} for ${model.name}`;
}

function add(
  cameras: Map<number, ColmapCamera>,
  camera: ColmapCamera,
  error: (message: string) => InputError,
): void {
  const { id, width, height, params } = camera;
  if (!(width >= 1 && width <= MAX_SIDE && height >= 1 && height <= MAX_SIDE)) {
    throw error(`camera ${id} is ${width}×${height} pixels, expected sides from 1 to ${MAX_SIDE}`);
  }
  const lens = cameraModelByName(camera.model)?.lens?.(params);
  if (lens && !(lens.fx > 0 && lens.fy > 0)) {
    const focal = [...new Set([lens.fx, lens.fy])].join(', ');
    throw error(`camera ${id} has the focal length ${focal} pixels, expected more than 0`);
  }
  if (cameras.has(id)) throw error(`camera ${id} appears twice`);
  cameras.set(id, camera);
}
