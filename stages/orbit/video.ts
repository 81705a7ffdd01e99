import { Worker } from 'node:worker_threads';
import type { VideoEncoderConfig } from '@napi-rs/webcodecs';
import { InputError } from '../../wgsl/core/index.ts';
import { BT709, i420Bytes } from '../../wgsl/image/to-i420.ts';

export interface VideoOptions {
  /** Even numbers: H.264 with 4:2:0 chroma has no odd sizes. */
  width: number;
  height: number;
  fps: number;
  /**
   * Megabits a second, on average. By default the quality is constant instead, and equal pictures give equal bytes on one
   * machine: what the encoder does to meet a rate depends on how its threads run.
   */
  bitrate?: number;
}

/** A key frame at least so often, for players that seek. */
const KEY_FRAME_SECONDS = 2;
/** Pictures on their way to the encoder, each in host memory; beyond that `add` waits. */
const BUFFERS = 4;

interface Answer {
  ready?: true;
  /** Memory that comes back. */
  planes?: ArrayBuffer;
  file?: Uint8Array;
  failed?: string;
}

/**
 * Writes an MP4 of one H.264 track (BT.709, 4:2:0), picture by picture, in memory and in a thread of its own. The encoder cuts each
 * picture into as many slices as the machine has cores, and encodes them at once in further threads.
 */
export class Mp4Writer {
  readonly #options: VideoOptions;
  readonly #worker: Worker;
  readonly #free: ArrayBuffer[];
  /** Told when the thread has answered. */
  #waiting: (() => void)[] = [];
  #ready = false;
  #file?: Uint8Array;
  #failure?: Error;
  #count = 0;

  private constructor(options: VideoOptions, worker: Worker) {
    this.#options = options;
    this.#worker = worker;
    this.#free = Array.from(
      { length: BUFFERS },
      () => new ArrayBuffer(i420Bytes(options.width, options.height)),
    );
    worker.on('message', ({ ready, planes, file, failed }: Answer) => {
      if (ready) this.#ready = true;
      if (planes) this.#free.push(planes);
      if (file) this.#file = file;
      if (failed !== undefined) this.#failure ??= new Error(`the video encoder failed: ${failed}`);
      this.#wake();
    });
    worker.on('error', (error) => {
      this.#failure ??= error;
      this.#wake();
    });
    worker.on('exit', (code) => {
      this.#failure ??= new Error(`the video encoder's thread ended early, with ${code}`);
      this.#wake();
    });
  }

  /** Throws InputError as `checkVideo` does. */
  static async create(options: VideoOptions): Promise<Mp4Writer> {
    const { config } = await checkVideo(options);
    const { width, height, fps } = options;
    const keyFrames = Math.max(1, Math.round(KEY_FRAME_SECONDS * fps));
    const worker = new Worker(new URL('./mp4-worker.mjs', import.meta.url), {
      // Not the process's own options: those may load a compiler.
      execArgv: [],
      workerData: { config, width, height, fps, keyFrames, colorSpace: BT709 },
    });
    const writer = new Mp4Writer(options, worker);
    while (!writer.#ready && !writer.#failure) await writer.#answer();
    if (writer.#failure) {
      await worker.terminate();
      throw writer.#failure;
    }
    return writer;
  }

  /** Adds the next picture: its I420 planes, which may change once this resolves. Waits only while too many are on their way. */
  async add(planes: Uint8Array): Promise<void> {
    const { width, height } = this.#options;
    const index = this.#count++;
    if (planes.length !== i420Bytes(width, height)) {
      throw new Error(
        `picture ${index} has ${planes.length} bytes, the planes of ${width}×${height} pixels take ${i420Bytes(width, height)}`,
      );
    }
    while (!this.#free.length && !this.#failure) await this.#answer();
    if (this.#failure) throw this.#failure;
    const buffer = this.#free.pop()!;
    new Uint8Array(buffer).set(planes);
    this.#worker.postMessage({ planes: buffer }, [buffer]);
  }

  /** The complete file. */
  async finish(): Promise<Uint8Array> {
    this.#worker.postMessage({});
    while (!this.#file && !this.#failure) await this.#answer();
    if (this.#failure) throw this.#failure;
    await this.#worker.terminate();
    return withoutTimes(this.#file!);
  }

  /** Gives up; nothing is left behind. */
  async cancel(): Promise<void> {
    await this.#worker.terminate();
  }

  #answer(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

/**
 * The encoder and its settings for a video. Throws InputError for odd sizes, for sizes that the encoder refuses, and where
 * this platform has no encoder.
 */
export async function checkVideo(options: VideoOptions) {
  const { width, height, fps } = options;
  if (width % 2 || height % 2) {
    throw new InputError(
      `orbit.size: H.264 needs an even width and height, found ${width}×${height}; ` +
        `use [${width + (width % 2)}, ${height + (height % 2)}]`,
    );
  }
  const codecs = await import('@napi-rs/webcodecs').catch((error: Error) => {
    throw new InputError(
      `orbit.video: the video encoder does not load on this platform (${error.message.split('\n')[0]}); ` +
        'set orbit.video to false to have the frames alone',
    );
  });
  const config: VideoEncoderConfig = {
    codec: `avc1.64${level(width * height)}`,
    width,
    height,
    framerate: fps,
    ...(options.bitrate === undefined
      ? { bitrateMode: 'quantizer' }
      : { bitrateMode: 'constant', bitrate: Math.round(1e6 * options.bitrate) }),
    // The same encoder everywhere, whatever the machine's video hardware.
    hardwareAcceleration: 'prefer-software',
    latencyMode: 'quality',
    avc: { format: 'avc' },
  };
  const { supported } = await codecs.VideoEncoder.isConfigSupported(config);
  if (!supported) {
    throw new InputError(
      `orbit.size: the H.264 encoder refuses ${width}×${height} at ${fps} frames a second; ` +
        'choose a smaller size, or set orbit.video to false',
    );
  }
  return { config };
}

/** All pictures (I420 planes each) as one MP4. */
export async function encodeVideo(
  pictures: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  options: VideoOptions,
): Promise<Uint8Array> {
  const writer = await Mp4Writer.create(options);
  try {
    for await (const picture of pictures) await writer.add(picture);
    return await writer.finish();
  } catch (error) {
    await writer.cancel();
    throw error;
  }
}

/** Profile-compatibility and level bytes of the codec string: 4.0 to 1080p, 5.1 to 4K, 6.0 beyond. */
function level(pixels: number): string {
  return pixels <= 2048 * 1088 ? '0028' : pixels <= 4096 * 2304 ? '0033' : '003c';
}

/** Boxes that hold boxes, on the way to those with times. */
const PARENTS = new Set(['moov', 'trak', 'mdia']);
/** Boxes that begin with the times of creation and modification, 32 bits each, or 64 in version 1 (ISO/IEC 14496-12, 8.2.2, 8.3.2, 8.4.2). */
const TIMED = new Set(['mvhd', 'tkhd', 'mdhd']);

/** Sets an MP4's times of creation and modification to zero, unknown, so that equal tracks are equal files. In place. */
export function withoutTimes(file: Uint8Array): Uint8Array {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const walk = (from: number, to: number) => {
    for (let at = from; at + 8 <= to; ) {
      const kind = String.fromCharCode(...file.subarray(at + 4, at + 8));
      const small = view.getUint32(at);
      // 1: the size follows in 64 bits; 0: to the end.
      const [head, size] = small === 1 ? [16, Number(view.getBigUint64(at + 8))] : [8, small || to - at];
      if (size < head || at + size > to)
        throw new Error(`broken MP4: box ${kind} at ${at} has a size of ${size}`);
      if (PARENTS.has(kind)) walk(at + head, at + size);
      if (TIMED.has(kind)) file.fill(0, at + head + 4, at + head + 4 + (file[at + head] === 1 ? 16 : 8));
      at += size;
    }
  };
  walk(0, file.length);
  return file;
}
