import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A model that COLMAP's mapper wrote, by the names of the pictures that it registered. */
export interface SparseModel {
  folder: string;
  names: string[];
}

/** The models below a folder, the one of the most pictures first; of equals, the one that the mapper wrote first. */
export async function modelsBelow(folder: string): Promise<SparseModel[]> {
  const numbers = (await readdir(folder)).filter((name) => /^\d+$/.test(name)).sort((a, b) => +a - +b);
  const models: SparseModel[] = [];
  for (const number of numbers) {
    const path = join(folder, number);
    const bytes = await readFile(join(path, 'images.bin')).catch(() => undefined);
    if (bytes) models.push({ folder: path, names: registeredIn(bytes) });
  }
  return models.sort((a, b) => b.names.length - a.names.length);
}

/** Bytes of an image before its name (id, pose, camera) and of one of its points. */
const BEFORE_NAME = 4 + 7 * 8 + 4;
const POINT_BYTES = 2 * 8 + 8;

/** The names in COLMAP's `images.bin`. */
function registeredIn(bytes: Buffer): string[] {
  const names: string[] = [];
  let at = 8;
  for (let left = Number(bytes.readBigUInt64LE(0)); left > 0; left--) {
    const end = bytes.indexOf(0, at + BEFORE_NAME);
    names.push(bytes.toString('utf8', at + BEFORE_NAME, end));
    at = end + 1 + 8 + POINT_BYTES * Number(bytes.readBigUInt64LE(end + 1));
  }
  return names;
}
