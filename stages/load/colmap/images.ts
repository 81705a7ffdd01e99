import type { InputError } from '../../../wgsl/core/index.ts';
import { excerpt } from '../../artefacts/excerpt.ts';
import { leadsOut } from '../../artefacts/zip-directory.ts';
import { ByteReader } from './byte-reader.ts';
import { TextReader } from './text-reader.ts';

/** A registered image: its name, its camera, and its pose (world → camera: rotation as quaternion wxyz, translation). */
export interface ColmapImage {
  id: number;
  name: string;
  cameraId: number;
  quat: readonly [number, number, number, number];
  translation: readonly [number, number, number];
}

const POINT2D_BYTES = 8 + 8 + 8; // x, y, id of the 3D point
const MIN_RECORD_BYTES = 4 + 4 * 8 + 3 * 8 + 4 + 2 + 8; // with a name of one letter and no 2D points
const LAYOUT = 'IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME';

/** images.bin: count u64, then id u32, wxyz f64, t f64, camera u32, name to NUL, count u64 of 2D points (skipped). */
export function readImagesBinary(file: string, bytes: Uint8Array): ColmapImage[] {
  const reader = new ByteReader(file, bytes);
  const images = new ImageList();
  const count = reader.count('images', MIN_RECORD_BYTES);
  for (let i = 0; i < count; i++) {
    const start = reader.offset;
    const id = reader.u32('an image id');
    const [w, x, y, z, tx, ty, tz] = Array.from({ length: 7 }, () =>
      reader.finite(`the pose of image ${id}`),
    );
    const cameraId = reader.u32('a camera id');
    const name = reader.name(`the name of image ${id}`);
    const image: ColmapImage = { id, name, cameraId, quat: [w, x, y, z], translation: [tx, ty, tz] };
    images.add(image, (message) => reader.error(message, reader.offset - start));
    const points = reader.count(`2D points of ${excerpt(name)}`, POINT2D_BYTES);
    reader.skip(points * POINT2D_BYTES, 'the 2D points of an image');
  }
  reader.end(`${count} images`);
  return images.list;
}

/** images.txt: two lines per image. The second (its 2D points) may be empty and is skipped. */
export function readImagesText(file: string, bytes: Uint8Array): ColmapImage[] {
  const reader = new TextReader(file, bytes);
  const images = new ImageList();
  for (let line = reader.next(); line; line = reader.next()) {
    const at = line;
    const fields = reader.fields(line, 10, LAYOUT, 10);
    const id = reader.integer(line, fields[0], 'an image id');
    const pose = fields.slice(1, 8).map((field) => reader.finite(at, field, `the pose of image ${id}`));
    const [w, x, y, z, tx, ty, tz] = pose;
    const cameraId = reader.integer(line, fields[8], 'a camera id');
    images.add({ id, name: fields[9], cameraId, quat: [w, x, y, z], translation: [tx, ty, tz] }, (message) =>
      reader.error(at.number, message),
    );
    reader.skipLine();
  }
  return images.list;
}

/** World → camera [4,4] row-major from COLMAP's quaternion (wxyz, normalised here) and translation. */
export function viewmatOf({ quat, translation }: Pick<ColmapImage, 'quat' | 'translation'>): number[] {
  const length = Math.hypot(...quat);
  const [w, x, y, z] = quat.map((value) => value / length);
  const [tx, ty, tz] = translation;
  return [
    ...[1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y), tx],
    ...[2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x), ty],
    ...[2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y), tz],
    ...[0, 0, 0, 1],
  ];
}

/** Images in file order. Ids and names are unique; names stay below the image folder; poses are rotations. */
class ImageList {
  readonly list: ColmapImage[] = [];
  readonly #names = new Set<string>();
  readonly #ids = new Set<number>();

  add(image: ColmapImage, error: (message: string) => InputError): void {
    const { id, name, quat } = image;
    if (this.#ids.has(id)) throw error(`image ${id} appears twice`);
    if (!name) throw error(`image ${id} has no name`);
    if (leadsOut(name)) {
      throw error(`image ${id} is named ${excerpt(name)}, which leads out of the image folder`);
    }
    if (this.#names.has(name))
      throw error(`image ${id} has the same name as another image: ${excerpt(name)}`);
    const length = Math.hypot(...quat);
    if (!(length > 1e-6 && length < 1e6)) {
      throw error(
        `image ${id} (${excerpt(name)}) has the quaternion ${quat.join(' ')}, which is not a rotation`,
      );
    }
    this.#ids.add(id);
    this.#names.add(name);
    this.list.push(image);
  }
}
