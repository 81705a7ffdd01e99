import { type Arena, type Gpu, Readback, type ReadbackPart } from '../../wgsl/core/index.ts';
import { i420Bytes, ToI420 } from '../../wgsl/image/to-i420.ts';
import type { Frame, Frames } from '../artefacts/frames.ts';
import { encodePng, PNG_THREADS } from '../artefacts/png.ts';
import type { OutputFolder } from '../stage.ts';
import type { FrameList } from './render-frames.ts';
import { Mp4Writer, type VideoOptions } from './video.ts';

export interface FrameFilesOptions extends VideoOptions {
  /** `frames/NAME.png`. */
  pictures: boolean;
  /** `turntable.mp4`. */
  video: boolean;
  /** `compare.mp4`: before restyling on the left, after on the right. */
  compare: boolean;
}

interface Writers {
  turntable?: Mp4Writer;
  compare?: Mp4Writer;
}

/** Frames that are read back and encoded while the GPU renders the next ones. */
const IN_FLIGHT = 4;
/** Frames that wait for PNG encoding, each in host memory. */
const PNGS_IN_FLIGHT = PNG_THREADS + 2;

/**
 * Writes finished frames to files: `frames/NAME.png`, `turntable.mp4`, `compare.mp4`. The GPU converts a frame to the planes
 * of a video. Readback and encoding overlap with rendering; frames enter the videos in order.
 */
export class FrameFiles {
  readonly #gpu: Gpu;
  readonly #output: OutputFolder;
  readonly #options: FrameFilesOptions;
  readonly #writers: Writers;
  readonly #arena: Arena;
  readonly #readback: Readback;
  readonly #toI420?: ToI420;
  /** Planes on the GPU, after and before restyling. The queue keeps the order, so all frames share them. */
  readonly #now?: GPUBuffer;
  readonly #before?: GPUBuffer;
  /** Frames in staging buffers, and pending file writes, oldest first. */
  readonly #pending: Promise<void>[] = [];
  readonly #writing: Promise<void>[] = [];
  /** The last frame that was passed to the videos. */
  #added: Promise<void> = Promise.resolve();

  private constructor(
    gpu: Gpu,
    output: OutputFolder,
    options: FrameFilesOptions,
    writers: Writers,
    arena: Arena,
    toI420?: ToI420,
  ) {
    this.#gpu = gpu;
    this.#output = output;
    this.#options = options;
    this.#writers = writers;
    this.#arena = arena;
    const planes = i420Bytes(options.width, options.height);
    this.#toI420 = toI420;
    if (toI420) this.#now = arena.buffer('now', planes);
    if (writers.compare) this.#before = arena.buffer('before', planes);
    this.#readback = new Readback(gpu, 'orbit/files', { slots: IN_FLIGHT, purpose: 'frames' });
  }

  static async create(gpu: Gpu, output: OutputFolder, options: FrameFilesOptions): Promise<FrameFiles> {
    const { width, height, video, compare } = options;
    const arena = gpu.arena('orbit/files');
    const writers: Writers = {};
    try {
      if (video) writers.turntable = await Mp4Writer.create(options);
      // Twice the pixels, twice the bits: both halves match the quality of the turntable.
      const wide = { ...options, width: 2 * width, bitrate: options.bitrate && 2 * options.bitrate };
      if (compare) writers.compare = await Mp4Writer.create(wide);
      const toI420 = video || compare ? await ToI420.create(gpu, width, height) : undefined;
      return new FrameFiles(gpu, output, options, writers, arena, toI420);
    } catch (error) {
      await writers.turntable?.cancel();
      await writers.compare?.cancel();
      arena.destroy();
      throw error;
    }
  }

  /** Accepts a complete frame. Waits only while too many are in flight. */
  async take(frames: Frames, list: FrameList, index: number): Promise<void> {
    const { turntable, compare } = this.#writers;
    const { width, height, pictures } = this.#options;
    const frame = frames[list][index];
    const parts: Record<string, ReadbackPart> = {};
    if (list === 'frames') {
      if (turntable) parts.now = this.#convert(frame, this.#now!);
      if (pictures) parts.rgba = { buffer: frame.color, bytes: 4 * width * height };
    } else if (compare) {
      parts.now = this.#convert(frames.frames[index], this.#now!);
      parts.before = this.#convert(frame, this.#before!);
    }
    if (!Object.keys(parts).length) return;
    if (this.#pending.length === IN_FLIGHT) await this.#pending.shift();
    if (parts.rgba && this.#writing.length === PNGS_IN_FLIGHT) await this.#writing.shift();
    const slot = (await this.#readback.capture(parts)) ?? (await this.#takeLater(parts));
    const added = this.#added;
    const encode = async () => {
      try {
        const { rgba, now, before } = await slot.read();
        const png = rgba && encodePng(rgba, width, height);
        if (png) this.#write(frame, png);
        await added;
        if (before) await compare!.add(sideBySide(before, now, width, height));
        else if (now) await turntable!.add(now);
      } finally {
        slot.release();
      }
    };
    const work = encode();
    // A failure is reported where the work is awaited.
    work.catch(() => {});
    this.#added = work;
    this.#pending.push(work);
  }

  /** Writes the videos. */
  async finish(): Promise<void> {
    await Promise.all(this.#pending.splice(0));
    await Promise.all(this.#writing.splice(0));
    const { turntable, compare } = this.#writers;
    if (turntable) await this.#output.write('turntable.mp4', await turntable.finish());
    if (compare) await this.#output.write('compare.mp4', await compare.finish());
    this.#free();
  }

  /** Cleans up after a failure: waits for pending work and writes nothing more. */
  async cancel(): Promise<void> {
    await Promise.allSettled(this.#pending.splice(0));
    await Promise.allSettled(this.#writing.splice(0));
    await this.#writers.turntable?.cancel();
    await this.#writers.compare?.cancel();
    this.#free();
  }

  #free(): void {
    this.#readback.destroy();
    this.#arena.destroy();
  }

  #write(frame: Frame, png: Promise<Uint8Array>): void {
    const written = png.then((bytes) => this.#output.write(`frames/${frame.name}.png`, bytes));
    written.catch(() => {});
    this.#writing.push(written);
  }

  #convert(frame: Frame, planes: GPUBuffer): ReadbackPart {
    const { width, height } = this.#options;
    const toI420 = this.#toI420!;
    const bound = toI420.bind(frame.color, planes);
    this.#gpu.run('orbit/to-i420', (recorder) => toI420.record(recorder, bound));
    return { buffer: planes, bytes: i420Bytes(width, height) };
  }

  /** Retries after each copy in flight, while they occupy the staging. */
  async #takeLater(parts: Record<string, ReadbackPart>) {
    for (;;) {
      const oldest = this.#pending.shift();
      await oldest;
      const slot = await this.#readback.capture(parts);
      if (slot) return slot;
      if (!oldest) throw new Error('the staging has no room though no copy is in flight');
    }
  }
}

/** The planes of two frames side by side, [H, 2W]. */
export function sideBySide(left: Uint8Array, right: Uint8Array, width: number, height: number): Uint8Array {
  const out = new Uint8Array(2 * left.length);
  let from = 0;
  for (const [w, h] of [
    [width, height],
    [width / 2, height / 2],
    [width / 2, height / 2],
  ]) {
    for (let row = 0; row < h; row++) {
      const at = from + w * row;
      out.set(left.subarray(at, at + w), 2 * at);
      out.set(right.subarray(at, at + w), 2 * at + w);
    }
    from += w * h;
  }
  return out;
}
