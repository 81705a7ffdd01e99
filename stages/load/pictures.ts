import { open } from 'node:fs/promises';
import type { Sharp } from 'sharp';
import { InputError } from '../../wgsl/core/index.ts';
import { areaResize } from './area-resize.ts';

/** Pixels for the GPU: rgba8, row-major, alpha 255. */
export interface Picture {
  width: number;
  height: number;
  rgba: Uint8Array;
  /** The file had an alpha channel, which was dropped without blending. */
  hadAlpha: boolean;
}

export interface PictureOptions {
  /** The size that the camera was calibrated for; determines whether the EXIF rotation applies. */
  calibrated: { width: number; height: number };
  /** Divisor of the size, at least 1. */
  downscale: number;
  /** Limit on the bytes on the GPU (rgba8, after `downscale`). */
  maxBytes: number;
  /** The picture is undistorted at this size: a larger `downscale` is no help. */
  undistorts?: boolean;
}

/** Limit on decoded pixels, 16384²: more than any camera produces. A small file may declare more. */
const MAX_PIXELS = 2 ** 28;

const SIGNATURES = [
  { format: 'PNG', offset: 0, bytes: [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a] },
  { format: 'JPEG', offset: 0, bytes: [0xff, 0xd8, 0xff] },
  { format: 'WebP', offset: 8, bytes: [0x57, 0x45, 0x42, 0x50] },
];

/**
 * Decodes a photograph (PNG, JPEG, WebP) to 8-bit rgb without colour management. COLMAP uses pixels as
 * stored, so the EXIF rotation is applied only if the calibrated size requires it.
 */
export async function readPicture(path: string, options: PictureOptions): Promise<Picture> {
  await checkSignature(path);
  const { default: sharp } = await import('sharp');
  try {
    const image = sharp(path, {
      failOn: 'error',
      limitInputPixels: MAX_PIXELS,
      ignoreIcc: true,
      sequentialRead: true,
    });
    const { width, height, orientation = 1, hasAlpha } = await image.metadata();
    const turned =
      orientation >= 5 && aspectError(width, height, options) > aspectError(height, width, options) + 0.01;
    const [w, h] = turned ? [height, width] : [width, height];
    const target = checkSize(path, w, h, options);
    const { data, info } = await decode(turned ? image.autoOrient() : image);
    const shrink = target.width < info.width || target.height < info.height;
    const rgb = shrink ? areaResize(data, info, target.width, target.height) : data;
    return { ...target, rgba: addAlpha(rgb), hadAlpha: hasAlpha };
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw undecodable(path, error as Error);
  }
}

function undecodable(path: string, { message }: Error): InputError {
  const reason = message.replaceAll(path, '').replace(/\s+/g, ' ').trim();
  return new InputError(`cannot be decoded (${reason}); expected a whole PNG, JPEG or WebP picture`, path);
}

/** The size of a picture as stored, without its EXIF rotation; reads the header alone. */
export async function pictureSize(path: string): Promise<{ width: number; height: number }> {
  await checkSignature(path);
  const { default: sharp } = await import('sharp');
  const { width, height } = await sharp(path)
    .metadata()
    .catch((error: Error) => {
      throw undecodable(path, error);
    });
  return { width, height };
}

/** Checks the first bytes, so that no other decoder ever opens the file. */
async function checkSignature(path: string): Promise<void> {
  const head = new Uint8Array(16);
  const file = await open(path).catch((error: Error) => {
    throw new InputError(`cannot be opened: ${error.message}`, path);
  });
  let bytesRead: number;
  try {
    ({ bytesRead } = await file.read(head, 0, head.length, 0));
  } catch (error) {
    throw new InputError(`cannot be read: ${(error as Error).message}`, path);
  } finally {
    await file.close();
  }
  if (!bytesRead) throw new InputError('is empty; expected a PNG, JPEG or WebP picture', path);
  const known = SIGNATURES.some(({ offset, bytes }) => bytes.every((byte, i) => head[offset + i] === byte));
  if (!known) {
    const found = [...head.subarray(0, 4)].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
    throw new InputError(
      `is not a supported image: it begins with ${found}, expected PNG, JPEG or WebP`,
      path,
    );
  }
}

async function decode(
  image: Sharp,
): Promise<{ data: Uint8Array; info: { width: number; height: number; channels: number } }> {
  const { data, info } = await image
    .removeAlpha()
    .toColourspace('srgb')
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true });
  if (info.channels !== 3) throw new Error(`${info.channels} channels`);
  return { data, info };
}

function checkSize(path: string, width: number, height: number, options: PictureOptions) {
  const { calibrated, downscale, maxBytes, undistorts } = options;
  const ratio = width / calibrated.width / (height / calibrated.height);
  if (ratio > 1.25 || ratio < 0.8) {
    throw new InputError(
      `is ${width}×${height}, but its camera was calibrated at ${calibrated.width}×${calibrated.height}: another ` +
        'aspect ratio, so not the image that COLMAP used (rotated or cropped?); use the images that COLMAP registered',
      path,
    );
  }
  const target = downscaled(width, height, downscale);
  const bytes = 4 * target.width * target.height;
  if (bytes > maxBytes) {
    const needed = Math.ceil(10 * downscale * Math.sqrt(bytes / maxBytes)) / 10;
    const advice = undistorts
      ? 'it is undistorted before it is reduced, so use files of a smaller size'
      : `set downscale: ${needed} or more`;
    throw new InputError(
      `is ${target.width}×${target.height} (${bytes} bytes), and this adapter allows ${maxBytes} bytes per image; ` +
        advice,
      path,
    );
  }
  return target;
}

/** The size of a picture that is reduced by a factor. */
export function downscaled(width: number, height: number, factor: number): { width: number; height: number } {
  return { width: Math.max(1, Math.round(width / factor)), height: Math.max(1, Math.round(height / factor)) };
}

function aspectError(width: number, height: number, { calibrated }: PictureOptions): number {
  return Math.abs(Math.log((width * calibrated.height) / (height * calibrated.width)));
}

function addAlpha(rgb: Uint8Array): Uint8Array {
  const rgba = new Uint8Array((rgb.length / 3) * 4);
  for (let from = 0, to = 0; from < rgb.length; from += 3, to += 4) {
    rgba[to] = rgb[from];
    rgba[to + 1] = rgb[from + 1];
    rgba[to + 2] = rgb[from + 2];
    rgba[to + 3] = 255;
  }
  return rgba;
}
