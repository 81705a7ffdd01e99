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
   * Average bit rate, Mbit/s. Default: constant quality, with reproducible bytes on one machine; rate control depends on
   * thread timing.
   */
  bitrate?: number;
}

/** Maximum key frame interval, for seeking. */
const KEY_FRAME_SECONDS = 2;
/** Frames queued for the encoder, each in host memory; beyond that `add` waits. */
const BUFFERS = 4;

interface Answer {
  ready?: true;
  /** Memory that the thread returned. */
  planes?: ArrayBuffer;
  file?: Uint8Array;
  failed?: string;
}

/**
 * Writes an MP4 with one H.264 track (BT.709, 4:2:0), frame by frame, in memory and in its own thread. The encoder splits
 * each frame into one slice per core and encodes the slices in parallel.
 */
export class Mp4Writer {
  readonly #options: VideoOptions;
  readonly #worker: Worker;
  readonly #free: ArrayBuffer[];
  /** Resolves when the thread has answered. */
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

  /** @throws InputError as `checkVideo` does. */
  static async create(options: VideoOptions): Promise<Mp4Writer> {
    const { config } = await checkVideo(options);
    const { width, height, fps } = options;
    const keyFrames = Math.max(1, Math.round(KEY_FRAME_SECONDS * fps));
    const worker = new Worker(new URL('./mp4-worker.mjs', import.meta.url), {
      // Without the options of the process, which may load a compiler.
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

  /** Adds the next frame: its I420 planes, which may change once this resolves. Waits only while too many are queued. */
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

  /** Aborts and frees everything. */
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
 * The encoder settings of a video. @throws InputError for odd sizes, for sizes that the encoder does not support, and on
 * platforms without an encoder.
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
        'set orbit.video to false to write frames only',
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
    // The same encoder everywhere, independent of video hardware.
    hardwareAcceleration: 'prefer-software',
    latencyMode: 'quality',
    avc: { format: 'avc' },
  };
  const { supported } = await codecs.VideoEncoder.isConfigSupported(config);
  if (!supported) {
    throw new InputError(
      `orbit.size: the H.264 encoder does not support ${width}×${height} at ${fps} frames per second; ` +
        'choose a smaller size, or set orbit.video to false',
    );
  }
  return { config };
}

/** All frames (I420 planes each) as one MP4. */
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

/** Container boxes that lead to the boxes with times. */
const PARENTS = new Set(['moov', 'trak', 'mdia']);
/** Boxes that start with creation and modification times, 32 bits each, 64 in version 1 (ISO/IEC 14496-12, 8.2.2, 8.3.2, 8.4.2). */
const TIMED = new Set(['mvhd', 'tkhd', 'mdhd']);

/** Sets the creation and modification times of an MP4 to zero, in place, so that equal tracks give equal files. */
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
