import { statSync } from 'node:fs';
import { join } from 'node:path';
import { InputError } from '../../wgsl/core/index.ts';
import { withPicture } from '../artefacts/decode.ts';

/** What masked pixels mean; see `View.masking`. */
export type Masking = 'ignore' | 'remove';

/** From this value on, `ignore` keeps a pixel. */
const KEPT = 128;

/** The mask of a picture: NAME.jpg.png (COLMAP's name), or NAME.png. */
export function maskOf(folder: string, name: string): string | undefined {
  const stem = name.replace(/\.[^./\\]*$/, '');
  return [`${name}.png`, `${stem}.png`]
    .map((file) => join(folder, file))
    .find((file) => statSync(file, { throwIfNoEntry: false })?.isFile());
}

/**
 * The grey values of a mask, [H, W]: 0 is masked, 255 is kept.
 * @throws InputError when it has another size than its picture, or values that are no mask's.
 */
export function readMask(path: string, size: { width: number; height: number }): Promise<Uint8Array> {
  return withPicture(path, async (image) => {
    const { width, height } = await image.metadata();
    if (width !== size.width || height !== size.height) {
      throw new InputError(
        `is ${width}×${height}, and its picture is ${size.width}×${size.height}; a mask has the size of its picture`,
        path,
      );
    }
    const { data, info } = await image
      .removeAlpha()
      .toColourspace('b-w')
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    if (info.channels !== 1) throw new Error(`${info.channels} channels`);
    const largest = data.reduce((maximum, value) => Math.max(maximum, value), 0);
    if (largest > 0 && largest < KEPT) {
      throw new InputError(
        `has ${largest} as its largest value, so it masks everything; a mask is 0 where pixels are masked and 255 elsewhere`,
        path,
      );
    }
    return data;
  });
}

/**
 * Premultiplied rgba8 pixels. `ignore` takes alpha as all or nothing. What is masked is black in the result, so nothing later depends
 * on it. `pixels`: rgb with `alpha` [H, W], or rgba.
 */
export function applyMask(pixels: Uint8Array, masking: Masking, alpha?: Uint8Array): Uint8Array {
  const channels = alpha ? 3 : 4;
  const count = pixels.length / channels;
  const rgba = new Uint8Array(4 * count);
  for (let i = 0; i < count; i++) {
    const value = alpha ? alpha[i] : pixels[4 * i + 3];
    const share = masking === 'remove' ? value : value >= KEPT ? 255 : 0;
    for (let c = 0; c < 3; c++) rgba[4 * i + c] = Math.round((pixels[channels * i + c] * share) / 255);
    rgba[4 * i + 3] = share;
  }
  return rgba;
}
