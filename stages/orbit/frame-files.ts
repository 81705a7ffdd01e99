import type { Gpu } from '../../wgsl/core/index.ts';
import type { Frame, Frames } from '../artefacts/frames.ts';
import type { OutputFolder } from '../stage.ts';
import { encodePng } from './png.ts';
import type { FrameList } from './render-frames.ts';
import { Mp4Writer, type VideoOptions } from './video.ts';

export interface FrameFilesOptions extends VideoOptions {
  /** `turntable.mp4`. */
  video: boolean;
  /** `compare.mp4`: before on the left, now on the right. */
  compare: boolean;
}

/** Pictures that are read back and encoded while the GPU draws the next ones. */
const IN_FLIGHT = 3;

/**
 * Turns pictures into files as they are finished: `frames/NAME.png`, `turntable.mp4`, `compare.mp4`. Reading back and encoding
 * run behind the rendering; pictures enter the videos in order.
 */
export class FrameFiles {
  readonly #gpu: Gpu;
  readonly #output: OutputFolder;
  readonly #options: FrameFilesOptions;
  readonly #turntable?: Mp4Writer;
  readonly #compare?: Mp4Writer;
  readonly #pending: Promise<void>[] = [];
  #previous: Promise<void> = Promise.resolve();

  private constructor(
    gpu: Gpu,
    output: OutputFolder,
    options: FrameFilesOptions,
    writers: { turntable?: Mp4Writer; compare?: Mp4Writer },
  ) {
    this.#gpu = gpu;
    this.#output = output;
    this.#options = options;
    this.#turntable = writers.turntable;
    this.#compare = writers.compare;
  }

  static async create(gpu: Gpu, output: OutputFolder, options: FrameFilesOptions): Promise<FrameFiles> {
    const { width, video, compare } = options;
    // Twice the pixels, twice the bits, so that both halves look as the turntable does.
    const wide = { ...options, width: 2 * width, bitrate: options.bitrate && 2 * options.bitrate };
    const writers: { turntable?: Mp4Writer; compare?: Mp4Writer } = {};
    try {
      if (video) writers.turntable = await Mp4Writer.create(options);
      if (compare) writers.compare = await Mp4Writer.create(wide);
    } catch (error) {
      await writers.turntable?.cancel();
      throw error;
    }
    return new FrameFiles(gpu, output, options, writers);
  }

  /** Takes the picture that was just submitted; waits only while too many are under way. */
  async take(frames: Frames, list: FrameList): Promise<void> {
    const index = frames[list].length - 1;
    const frame = frames[list][index];
    let work: Promise<void>;
    if (list === 'frames') work = this.#single(frame, this.#previous);
    else if (this.#compare) work = this.#pair(frame, frames.frames[index], this.#compare, this.#previous);
    else return;
    // A failure surfaces where the work is awaited; until then it is not unhandled.
    work.catch(() => {});
    this.#previous = work;
    this.#pending.push(work);
    if (this.#pending.length >= IN_FLIGHT) await this.#pending.shift();
  }

  /** Writes the videos. */
  async finish(): Promise<void> {
    await Promise.all(this.#pending.splice(0));
    if (this.#turntable) await this.#output.write('turntable.mp4', await this.#turntable.finish());
    if (this.#compare) await this.#output.write('compare.mp4', await this.#compare.finish());
  }

  /** Gives up after a failure: waits for what is under way, writes nothing more. */
  async cancel(): Promise<void> {
    await Promise.allSettled(this.#pending.splice(0));
    await this.#turntable?.cancel();
    await this.#compare?.cancel();
  }

  async #single(frame: Frame, previous: Promise<void>): Promise<void> {
    const { width, height } = this.#options;
    const rgba = await this.#read(frame);
    const png = encodePng(rgba, width, height);
    await previous;
    await this.#turntable?.add(rgba);
    await this.#output.write(`frames/${frame.name}.png`, await png);
  }

  async #pair(before: Frame, now: Frame, writer: Mp4Writer, previous: Promise<void>): Promise<void> {
    const { width, height } = this.#options;
    const pictures = await Promise.all([this.#read(before), this.#read(now)]);
    await previous;
    await writer.add(sideBySide(pictures[0], pictures[1], width, height));
  }

  async #read(frame: Frame): Promise<Uint8Array> {
    const { width, height } = this.#options;
    return new Uint8Array(await this.#gpu.read(frame.color, 'frames', 4 * width * height));
  }
}

/** Two rgba8 pictures [H, W] as one [H, 2W]. */
export function sideBySide(left: Uint8Array, right: Uint8Array, width: number, height: number): Uint8Array {
  const out = new Uint8Array(8 * width * height);
  for (let y = 0; y < height; y++) {
    const row = 4 * width * y;
    out.set(left.subarray(row, row + 4 * width), 2 * row);
    out.set(right.subarray(row, row + 4 * width), 2 * row + 4 * width);
  }
  return out;
}
