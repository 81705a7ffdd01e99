import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { PNG } from 'pngjs';
import { InputError } from '../../wgsl/core/index.ts';

/** A finished picture in host memory: 8-bit rgb [H, W, 3], row-major, as PNG files show it. */
export interface Picture {
  width: number;
  height: number;
  rgb: Uint8Array;
}

/** Decodes a PNG; alpha is dropped. @throws InputError naming the file when it is missing or no PNG. */
export async function readPicture(path: string): Promise<Picture> {
  const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    throw new InputError(`cannot be read (${error.code})`, path);
  });
  try {
    return decodePicture(bytes);
  } catch (error) {
    throw new InputError(`is not a PNG: ${error instanceof Error ? error.message : error}`, path);
  }
}

export function decodePicture(png: Uint8Array): Picture {
  const { width, height, data } = PNG.sync.read(Buffer.from(png));
  const rgb = new Uint8Array(3 * width * height);
  for (let pixel = 0; pixel < width * height; pixel++) {
    for (let c = 0; c < 3; c++) rgb[3 * pixel + c] = data[4 * pixel + c];
  }
  return { width, height, rgb };
}

/** The same pixels as a PNG. For pages and heat maps; golden frames are encoded as the turntable's are. */
export function encodePicture({ width, height, rgb }: Picture): Uint8Array {
  const png = new PNG({ width, height, colorType: 2, inputColorType: 2, inputHasAlpha: false });
  png.data = Buffer.from(rgb);
  return PNG.sync.write(png, { colorType: 2, inputColorType: 2, inputHasAlpha: false });
}

/**
 * sha256 (hex) of size and pixels. Not of the PNG's bytes: those depend on the zlib that packed them, which is not what is
 * promised.
 */
export function pictureHash({ width, height, rgb }: Picture): string {
  return createHash('sha256').update(`rgb8 ${width}x${height}\n`).update(rgb).digest('hex');
}
