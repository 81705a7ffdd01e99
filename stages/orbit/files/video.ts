import { Worker } from 'node:worker_threads';
import type { VideoEncoderConfig } from '@napi-rs/webcodecs';
import { InputError } from '../../../wgsl/core/index.ts';
import { BT709, i420Bytes } from '../../../wgsl/image/to-i420.ts';
import type { FileFormat } from './format.ts';

/** One codec in one container. */
export interface VideoCodec {
  summary: string;
  /** For messages. */
  name: string;
  /** Of the file's name. */
  ending: string;
  container: 'mp4' | 'webm';
  /** The codec, as mediabunny names it. */
  track: 'avc' | 'av1' | 'vp9';
  /** The codec string of WebCodecs for pictures of that many pixels. */
  codec(pixels: number): string;
  /** Further settings of the encoder. */
  settings?: Partial<VideoEncoderConfig>;
}

/** The pictures of a video. */
export interface VideoOptions {
  /** Even numbers: 4:2:0 chroma has no odd sizes. */
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

/** A row of the files: a video of one codec. */
export function videoFormat(codec: VideoCodec): FileFormat {
  return {
    summary: codec.summary,
    kinds: ['rgb', 'gray'],
    reads: 'i420',
    check: async (options) => void (await checkVideo(codec, options)),
    async open(output, options) {
      const writer = await VideoWriter.create(codec, options);
      return {
        add: (planes) => writer.add(planes),
        finish: async () => output.write(`${options.stem}${codec.ending}`, await writer.finish()),
        cancel: () => writer.cancel(),
      };
    },
  };
}

/**
 * Encodes one video track (BT.709, 4:2:0), frame by frame, in memory and in its own thread. The H.264 encoder splits each
 * frame into one slice per core and encodes the slices in parallel.
 */
class VideoWriter {
  readonly #container: VideoCodec['container'];
  readonly #options: VideoOptions;
  readonly #worker: Worker;
  readonly #free: ArrayBuffer[];
  /** Resolves when the thread has answered. */
  #waiting: (() => void)[] = [];
  #ready = false;
  #file?: Uint8Array;
  #failure?: Error;
  #count = 0;

  private constructor(container: VideoCodec['container'], options: VideoOptions, worker: Worker) {
    this.#container = container;
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
  static async create(codec: VideoCodec, options: VideoOptions): Promise<VideoWriter> {
    const { config } = await checkVideo(codec, options);
    const { width, height, fps } = options;
    const keyFrames = Math.max(1, Math.round(KEY_FRAME_SECONDS * fps));
    const worker = new Worker(new URL('./video-worker.mjs', import.meta.url), {
      // Without the options of the process, which may load a compiler.
      execArgv: [],
      workerData: {
        config,
        container: codec.container,
        track: codec.track,
        width,
        height,
        fps,
        keyFrames,
        colorSpace: BT709,
      },
    });
    const writer = new VideoWriter(codec.container, options, worker);
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
    return this.#container === 'mp4' ? withoutTimes(this.#file!) : this.#file!;
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
async function checkVideo(codec: VideoCodec, { width, height, fps, bitrate }: VideoOptions) {
  if (width % 2 || height % 2) {
    throw new InputError(
      `orbit.size: ${codec.name} needs an even width and height, found ${width}×${height}; ` +
        `use [${width + (width % 2)}, ${height + (height % 2)}]`,
    );
  }
  const codecs = await import('@napi-rs/webcodecs').catch((error: Error) => {
    throw new InputError(
      `orbit.files: the video encoder does not load on this platform (${error.message.split('\n')[0]}); ` +
        'set orbit.files to [png] to write frames only',
    );
  });
  const config: VideoEncoderConfig = {
    codec: codec.codec(width * height),
    width,
    height,
    framerate: fps,
    ...(bitrate === undefined
      ? { bitrateMode: 'quantizer' }
      : { bitrateMode: 'constant', bitrate: Math.round(1e6 * bitrate) }),
    // The same encoder everywhere, independent of video hardware.
    hardwareAcceleration: 'prefer-software',
    latencyMode: 'quality',
    ...codec.settings,
  };
  const { supported } = await codecs.VideoEncoder.isConfigSupported(config);
  if (!supported) {
    throw new InputError(
      `orbit.size: the ${codec.name} encoder does not support ${width}×${height} at ${fps} frames per second; ` +
        'choose a smaller size, or leave that video out of orbit.files',
    );
  }
  return { config };
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
