import type { Sharp } from 'sharp';
import type { Arena, Gpu } from '../../wgsl/core/index.ts';
import { ToRgba8 } from '../../wgsl/image/to-rgba8.ts';
import type { Vec3 } from '../artefacts/camera.ts';
import type { OutputFolder } from '../stage.ts';

/** The size of a picture, pixels. */
interface Size {
  width: number;
  height: number;
}

/** The longest side of a saved picture, pixels. */
const SIDE = 480;
const QUALITY = 85;

/** Saves small copies of held-out photographs and renders as `held-out/NAME.webp`, for people to look at. */
export class HeldOutPictures {
  readonly #gpu: Gpu;
  readonly #records: OutputFolder;
  readonly #rgba8: GPUBuffer;
  readonly #background: { r: number; g: number; b: number };
  readonly #converters = new Map<number, ToRgba8>();

  /** `largest`: the size of the largest picture. `background`: behind photographs with alpha. */
  constructor(arena: Arena, records: OutputFolder, { width, height }: Size, background: Vec3) {
    const [r, g, b] = background.map((level) => Math.round(255 * level));
    this.#background = { r, g, b };
    this.#gpu = arena.gpu;
    this.#records = records;
    this.#rgba8 = arena.buffer('held-out/rgba8', 4 * width * height);
  }

  /** Saves a render, f32 [H, W, 4]. Returns its path. */
  async saveRender(name: string, render: GPUBuffer, size: Size): Promise<string> {
    const pixels = size.width * size.height;
    const known = this.#converters.get(pixels);
    const converter = known ?? (await ToRgba8.create(this.#gpu, pixels));
    this.#converters.set(pixels, converter);
    const bound = converter.bind(render, this.#rgba8);
    this.#gpu.run('score/held-out', (recorder) => converter.record(recorder, bound));
    // Its colours include the background.
    return this.#write(name, (await this.#read(this.#rgba8, size)).removeAlpha());
  }

  /** Saves a photograph, rgba8 [H, W]. Returns its path. */
  async savePhotograph(name: string, photograph: GPUBuffer, size: Size): Promise<string> {
    const picture = await this.#read(photograph, size);
    return this.#write(name, picture.flatten({ background: this.#background }));
  }

  async #read(rgba8: GPUBuffer, { width, height }: Size): Promise<Sharp> {
    const pixels = new Uint8Array(await this.#gpu.read(rgba8, 'frames', 4 * width * height));
    const { default: sharp } = await import('sharp');
    return sharp(pixels, { raw: { width, height, channels: 4 } });
  }

  async #write(name: string, full: Sharp): Promise<string> {
    const picture = full
      .resize({ width: SIDE, height: SIDE, fit: 'inside', withoutEnlargement: true })
      .webp({ quality: QUALITY });
    const path = `held-out/${name}.webp`;
    await this.#records.write(path, await picture.toBuffer());
    return path;
  }
}
