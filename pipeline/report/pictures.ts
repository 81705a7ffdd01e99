import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { withPicture } from '../../stages/artefacts/decode.ts';
import { type HostPicture, rawRgb, SavedTurntable } from '../../stages/artefacts/saved-turntable.ts';
import { InputError } from '../../wgsl/core/index.ts';
import { eachOf } from '../hash.ts';
import type { HeldOutRender, Picture, Turntable } from './data.ts';

/** The longest side of a frame, pixels. */
const FRAME_SIDE = 960;
/** Pixels and frames of one list. Longer lists are thinned out, and larger frames become smaller. */
const LIST_PIXELS = 24e6;
const MAX_FRAMES = 180;
const FRAME_QUALITY = 80;
/** The largest video that becomes part of the page, bytes. A page refers to a larger one by its path. */
const MAX_VIDEO = 12 * 2 ** 20;
/** Below this level a difference may be rounding, and stays dark. */
const MIN_LEVEL = 16;

export function dataUri(type: string, bytes: Uint8Array): string {
  return `data:${type};base64,${Buffer.from(bytes).toString('base64')}`;
}

/** The frames of a saved turntable, `folder` as `saveFrames` writes it. */
export async function readTurntable(folder: string): Promise<Turntable> {
  const now = await SavedTurntable.open(folder, 'frames');
  const before = await SavedTurntable.open(folder, 'before');
  const shown = evenly(now.count, MAX_FRAMES);
  const { width, height } = now.size(0);
  const share = Math.sqrt(LIST_PIXELS / shown.length / (width * height));
  const side = Math.floor(Math.min(FRAME_SIDE, Math.max(width, height) * Math.min(1, share)));
  const encode = async (turntable: SavedTurntable) => {
    const indices = turntable.count ? shown : [];
    return eachOf(indices, async (index) => encodeWebp(await turntable.view(index, side)), 4);
  };
  const frames = await encode(now);
  const { info } = await now.view(0, side);
  return {
    width: info.width,
    height: info.height,
    names: shown.map((index) => now.names[index]),
    frames: frames.map(({ src }) => src),
    before: (await encode(before)).map(({ src }) => src),
  };
}

/** At most `most` of the indices below `count`, evenly spaced. */
function evenly(count: number, most: number): number[] {
  const shown = Math.min(count, most);
  return Array.from({ length: shown }, (_, i) => Math.floor((i * count) / shown));
}

async function encodeWebp({ data, info }: HostPicture): Promise<Picture> {
  const { default: sharp } = await import('sharp');
  const { width, height } = info;
  const bytes = await sharp(data, { raw: rawRgb(info) })
    .webp({ quality: FRAME_QUALITY, effort: 2 })
    .toBuffer();
  return { src: dataUri('image/webp', bytes), width, height };
}

/** A video of a run's folder: its bytes, or its path where they are many. */
export async function readVideo(folder: string, path: string): Promise<string> {
  const bytes = await readFile(join(folder, path));
  return bytes.length > MAX_VIDEO ? path : dataUri('video/mp4', bytes);
}

/** A picture file, as it is. */
export async function readPictureFile(path: string, type: string): Promise<Picture> {
  const { width, height } = await withPicture(path, (image) => image.metadata());
  return { src: dataUri(type, await readFile(path)), width, height };
}

/** The difference of two picture files of one size, as bright as possible. */
export async function differenceOf(
  photograph: string,
  render: string,
): Promise<Pick<HeldOutRender, 'difference' | 'gain'>> {
  const read = (path: string) =>
    withPicture(path, (image) => image.removeAlpha().raw().toBuffer({ resolveWithObject: true }));
  const [a, b] = await Promise.all([read(photograph), read(render)]);
  const size = ({ info }: typeof a) => `${info.width}×${info.height} of ${info.channels} channels`;
  if (size(a) !== size(b))
    throw new InputError(`is ${size(b)}, and its photograph ${photograph} is ${size(a)}`, render);
  const levels = a.data.map((level, i) => Math.abs(level - b.data[i]));
  const largest = levels.reduce((max, level) => Math.max(max, level), 0);
  const gain = Math.floor(255 / Math.max(MIN_LEVEL, largest));
  const data = Buffer.from(levels.map((level) => gain * level));
  return { difference: await encodeWebp({ data, info: a.info }), gain };
}
