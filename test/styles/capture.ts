import { readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';

/** A COLMAP capture to restyle. */
export interface Capture {
  name: string;
  /** Absolute. */
  folder: string;
  /** [width, height] of its first picture, pixels. */
  size: [number, number];
}

const CARRIED = fileURLToPath(new URL('../../scenes/playbot', import.meta.url));

/** Whether it is the capture of the repository, which has a white background. */
export const isCarried = ({ folder }: Capture) => folder === CARRIED;

/** Reads `NAME=FOLDER`; without it, the capture of the repository. */
export async function readCapture(given = `playbot=${CARRIED}`): Promise<Capture> {
  const at = given.indexOf('=');
  if (at < 1) throw new Error(`--capture: ${given} is not NAME=FOLDER`);
  const folder = resolve(given.slice(at + 1));
  const pictures = join(folder, 'images');
  const names = await readdir(pictures).catch(() => []);
  const [first] = names.filter((name) => /\.(png|jpe?g|webp)$/i.test(name)).sort();
  if (!first) throw new Error(`--capture: ${pictures} has no pictures`);
  const { width, height } = await sharp(join(pictures, first)).metadata();
  return { name: given.slice(0, at), folder, size: [width, height] };
}
