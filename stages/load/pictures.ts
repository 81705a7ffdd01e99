import type { Sharp } from 'sharp';
import { InputError } from '../../wgsl/core/index.ts';
import { withPicture } from '../artefacts/decode.ts';
import { areaResize } from './area-resize.ts';
import { applyMask, type Masking, readMask } from './masks.ts';

/** Pixels for the GPU: rgba8, row-major, premultiplied; alpha 255 without a mask. */
export interface Picture {
  width: number;
  height: number;
  rgba: Uint8Array;
  /** The file has an alpha channel. Without masking it was dropped without blending. */
  hadAlpha: boolean;
  /** Alpha is that of a mask, or the file's own. */
  masked: boolean;
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
  /** What masked pixels mean. Without it every pixel counts. */
  masking?: Masking;
  /** The file of the picture's mask. Without it the picture's own alpha counts. */
  mask?: string;
}

/**
 * Decodes a photograph (PNG, JPEG, WebP) to 8-bit rgb without colour management. COLMAP uses pixels as
 * stored, so the EXIF rotation is applied only if the calibrated size requires it.
 */
export function readPicture(path: string, options: PictureOptions): Promise<Picture> {
  return withPicture(path, async (image) => {
    const { width, height, orientation = 1, hasAlpha } = await image.metadata();
    const turned =
      orientation >= 5 && aspectError(width, height, options) > aspectError(height, width, options) + 0.01;
    const [w, h] = turned ? [height, width] : [width, height];
    const target = checkSize(path, w, h, options);
    const { masking, mask } = options;
    const ownAlpha = masking !== undefined && mask === undefined && hasAlpha;
    const { data, info } = await decode(turned ? image.autoOrient() : image, ownAlpha ? 4 : 3);
    const masked = masking !== undefined && (ownAlpha || mask !== undefined);
    const alpha = masked && mask !== undefined ? await readMask(mask, info) : undefined;
    const pixels = masked ? applyMask(data, masking, alpha) : data;
    const channels = masked ? 4 : 3;
    const shrink = target.width < info.width || target.height < info.height;
    const { width: fromWidth, height: fromHeight } = info;
    const from = { width: fromWidth, height: fromHeight, channels };
    const reduced = shrink ? areaResize(pixels, from, target.width, target.height) : pixels;
    return { ...target, rgba: masked ? reduced : addAlpha(reduced), hadAlpha: hasAlpha, masked };
  });
}

/** The size of a picture as stored, without its EXIF rotation; reads the header alone. */
export function pictureSize(path: string): Promise<{ width: number; height: number }> {
  return withPicture(path, async (image) => {
    const { width, height } = await image.metadata();
    return { width, height };
  });
}

async function decode(
  image: Sharp,
  channels: 3 | 4,
): Promise<{ data: Uint8Array; info: { width: number; height: number; channels: number } }> {
  const { data, info } = await (channels === 3 ? image.removeAlpha() : image)
    .toColourspace('srgb')
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true });
  if (info.channels !== channels) throw new Error(`${info.channels} channels`);
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
