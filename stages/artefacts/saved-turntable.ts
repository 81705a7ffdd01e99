import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { damaged, framesParts, loadFrameCameras } from './frames.ts';
import type { SavedPart } from './saved-part.ts';

/** Pixels. */
export interface Size {
  width: number;
  height: number;
}

/** A picture in host memory, rgb8 [H, W]. */
export interface HostPicture {
  data: Buffer;
  info: Size;
}

/** How sharp reads raw rgb8 pixels. */
export function rawRgb({ width, height }: Size) {
  return { width, height, channels: 3 as const };
}

type Frame = Awaited<ReturnType<typeof loadFrameCameras>>[number];

/** The colours of a saved turntable, read one frame at a time. */
export class SavedTurntable {
  readonly #folder: string;
  readonly #parts: readonly SavedPart[];
  readonly #sizes: readonly Size[];
  readonly names: readonly string[];

  private constructor(folder: string, parts: readonly SavedPart[], frames: readonly Frame[]) {
    this.#folder = folder;
    this.#parts = parts;
    this.#sizes = frames.map(({ camera }) => camera);
    this.names = frames.map(({ name }) => name);
  }

  static async open(folder: string, list: 'frames' | 'before'): Promise<SavedTurntable> {
    const parts = (await framesParts(folder)).filter(
      ({ name }) => name.startsWith(`${list} `) && name.endsWith(' color'),
    );
    // The frames before restyling have the same cameras.
    return new SavedTurntable(folder, parts, await loadFrameCameras(folder));
  }

  /** The size of a frame. */
  size(index: number): Size {
    return this.#sizes[index];
  }

  get count(): number {
    return this.#parts.length;
  }

  /** rgba8 [H, W] of a frame. Alpha is 255, because the colours include the background. */
  async read(index: number): Promise<Buffer> {
    const { file, start, end } = this.#parts[index];
    const path = join(this.#folder, file);
    const handle = await open(path).catch(({ message }) => damaged(path, `cannot be opened (${message})`));
    try {
      const { size } = await handle.stat();
      if (size < end) damaged(path, 'ends inside a frame'); // before memory of that size is taken
      const rgba = Buffer.alloc(end - start);
      const { bytesRead } = await handle.read(rgba, 0, rgba.length, start);
      if (bytesRead < rgba.length) damaged(path, 'ends inside a frame');
      for (let i = 3; i < rgba.length; i += 4) rgba[i] = 255;
      return rgba;
    } finally {
      await handle.close();
    }
  }

  /** A frame, scaled down to `side` pixels on its longest side. */
  async view(index: number, side: number): Promise<HostPicture> {
    const { default: sharp } = await import('sharp');
    const { width, height } = this.#sizes[index];
    return sharp(await this.read(index), { raw: { width, height, channels: 4 } })
      .removeAlpha()
      .resize({ width: side, height: side, fit: 'inside', withoutEnlargement: true })
      .raw()
      .toBuffer({ resolveWithObject: true });
  }
}
