import { existsSync } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { InputError } from '../../../wgsl/core/index.ts';
import type { PointsRead } from '../capture.ts';
import { type ColmapCamera, readCamerasBinary, readCamerasText } from './cameras.ts';
import { type ColmapImage, readImagesBinary, readImagesText } from './images.ts';
import { readPointsBinary, readPointsText } from './points.ts';

/** A sparse reconstruction by COLMAP. */
export interface ColmapModel {
  /** Folder of the files. */
  folder: string;
  /** Path of the cameras file, for errors about a camera. */
  camerasFile: string;
  /** Paths of all its files. */
  files: string[];
  cameras: Map<number, ColmapCamera>;
  /** At least one; sorted by name (code units). Hold-out counts in this order. */
  images: ColmapImage[];
  /** Parses the points. Their file is read already. @throws InputError when it is damaged. */
  readPoints(): PointsRead;
}

const PLACES = ['sparse/0', 'sparse', '.'];
const SPLAT_FILE = /\.(ply|sog|spz|splat|ksplat)$/i;
const FORMATS = ['bin', 'txt'] as const;

/** Whether a folder has the model of a capture at one of its places, by the names of files alone. */
export function hasModel(capture: string): boolean {
  return PLACES.some((place) =>
    FORMATS.some((format) => existsSync(join(capture, place, `cameras.${format}`))),
  );
}

/**
 * Reads the model of a capture: from `sparse/0`, `sparse` or the folder itself, binary before text.
 * @throws InputError when there is none, when a file but that of the points is damaged, or when the files contradict each other.
 */
export async function readModel(capture: string): Promise<ColmapModel> {
  const { folder, format } = await findModel(capture);
  const path = (name: string) => join(folder, `${name}.${format}`);
  const files = ['cameras', 'images', 'points3D'].map(path);
  const [camerasBytes, imagesBytes, pointsBytes] = await Promise.all(files.map(readBytes));
  const binary = format === 'bin';
  const cameras = (binary ? readCamerasBinary : readCamerasText)(path('cameras'), camerasBytes);
  const images = (binary ? readImagesBinary : readImagesText)(path('images'), imagesBytes);
  if (!images.length) {
    throw new InputError('has no images; expected at least one that COLMAP registered', path('images'));
  }
  for (const { name, cameraId } of images) {
    if (cameras.has(cameraId)) continue;
    const known = [...cameras.keys()].slice(0, 8).join(', ');
    throw new InputError(
      `image ${JSON.stringify(name)} refers to camera ${cameraId}, which is missing in ${path('cameras')} (it has ${known || 'none'})`,
      path('images'),
    );
  }
  images.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  const readPoints = () => (binary ? readPointsBinary : readPointsText)(path('points3D'), pointsBytes);
  return { folder, camerasFile: path('cameras'), files, cameras, images, readPoints };
}

async function findModel(capture: string): Promise<{ folder: string; format: 'bin' | 'txt' }> {
  const folderStat = await stat(capture).catch(() => undefined);
  if (!folderStat?.isDirectory()) {
    throw new InputError(`is ${folderStat ? 'not a folder' : 'missing'}; expected a COLMAP capture`, capture);
  }
  for (const place of PLACES) {
    const folder = join(capture, place);
    for (const format of FORMATS) {
      if (!(await exists(join(folder, `cameras.${format}`)))) continue;
      const needed = ['images', 'points3D'].map((name) => `${name}.${format}`);
      const present = await Promise.all(needed.map((name) => exists(join(folder, name))));
      const missing = needed.filter((_, i) => !present[i]);
      if (missing.length) {
        throw new InputError(`has cameras.${format} but no ${missing.join(' and no ')}`, folder);
      }
      return { folder, format };
    }
  }
  throw new InputError(
    'has no COLMAP model: expected cameras, images and points3D (.bin or .txt) in sparse/0, in sparse, or in the folder ' +
      `itself; ${await foundInstead(capture)}`,
    capture,
  );
}

/** The contents of a folder without a model, and the fix. */
async function foundInstead(capture: string): Promise<string> {
  const names = await readdir(capture);
  if (names.some((name) => /^transforms.*\.json$/.test(name))) {
    return `found transforms.json: load it with \`transforms: ${capture}\``;
  }
  if (names.includes('meta.json') && names.some((name) => name.endsWith('.webp'))) {
    return `found a SOG splat: load it with \`ply: ${join(capture, 'meta.json')}\``;
  }
  const splat = names.find((name) => SPLAT_FILE.test(name));
  if (splat) return `found a splat: load it with \`ply: ${join(capture, splat)}\``;
  return '`colmap automatic_reconstructor` creates one from pictures';
}

async function readBytes(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new InputError(`cannot be read: ${(error as Error).message}`, path);
  }
}

async function exists(path: string): Promise<boolean> {
  return Boolean((await stat(path).catch(() => undefined))?.isFile());
}
