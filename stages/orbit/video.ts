import type { VideoEncoder } from '@napi-rs/webcodecs';
import type { BufferTarget, EncodedVideoPacketSource, Mp4OutputFormat, Output } from 'mediabunny';
import { InputError } from '../../wgsl/core/index.ts';
import { BT709, toI420 } from './yuv.ts';

export interface VideoOptions {
  /** Even numbers: H.264 with 4:2:0 chroma has no odd sizes. */
  width: number;
  height: number;
  fps: number;
  /** Megabits a second; by default what the size and rate call for (`defaultBitrate`). */
  bitrate?: number;
}

/** Bits a pixel that keep texture at this kind of motion (38 dB against the PNG on a turntable of 480×270 at 6° a picture). */
const BITS_PER_PIXEL = 0.2;
/** A key frame at least so often, for players that seek. */
const KEY_FRAME_SECONDS = 2;
/** Pictures that may wait in the encoder; beyond that `add` waits. */
const QUEUE = 8;

/** Megabits a second for a size and rate. */
export function defaultBitrate({ width, height, fps }: VideoOptions): number {
  return Math.max(0.5, (BITS_PER_PIXEL * width * height * fps) / 1e6);
}

/**
 * Writes an MP4 of one H.264 track (BT.709, 4:2:0), picture by picture, in memory. Two equal runs give equal pictures but not
 * equal bytes: the muxer stamps the time and the encoder works in threads.
 */
export class Mp4Writer {
  readonly #options: VideoOptions;
  readonly #codecs: typeof import('@napi-rs/webcodecs');
  readonly #encoder: VideoEncoder;
  readonly #output: Output<Mp4OutputFormat, BufferTarget>;
  #muxed: Promise<void> = Promise.resolve();
  #failure?: Error;
  #count = 0;

  private constructor(
    options: VideoOptions,
    codecs: typeof import('@napi-rs/webcodecs'),
    { EncodedPacket }: typeof import('mediabunny'),
    output: Output<Mp4OutputFormat, BufferTarget>,
    track: EncodedVideoPacketSource,
  ) {
    this.#options = options;
    this.#codecs = codecs;
    this.#output = output;
    const { fps } = options;
    this.#encoder = new codecs.VideoEncoder({
      output: (chunk, metadata) => {
        const data = new Uint8Array(chunk.byteLength);
        chunk.copyTo(data);
        // The encoder's time stamps are whole microseconds; the picture's number is exact.
        const index = Math.round((chunk.timestamp * fps) / 1e6);
        const packet = new EncodedPacket(data, chunk.type, index / fps, 1 / fps);
        const config = metadata?.decoderConfig;
        const meta: EncodedVideoChunkMetadata | undefined = config && {
          decoderConfig: {
            codec: config.codec,
            codedWidth: options.width,
            codedHeight: options.height,
            description: config.description,
            colorSpace: { ...BT709 },
          },
        };
        this.#muxed = this.#muxed.then(() => track.add(packet, meta));
        this.#muxed.catch((error: Error) => (this.#failure ??= error));
      },
      error: (error) => (this.#failure ??= error),
    });
  }

  /** Throws InputError as `checkVideo` does. */
  static async create(options: VideoOptions): Promise<Mp4Writer> {
    const { codecs, config } = await checkVideo(options);
    const muxer = await import('mediabunny');
    const track = new muxer.EncodedVideoPacketSource('avc');
    const output = new muxer.Output({
      format: new muxer.Mp4OutputFormat({ fastStart: 'in-memory' }),
      target: new muxer.BufferTarget(),
    });
    output.addVideoTrack(track, { frameRate: options.fps });
    await output.start();
    const writer = new Mp4Writer(options, codecs, muxer, output, track);
    writer.#encoder.configure(config);
    return writer;
  }

  /** Adds the next picture: rgba8 [H, W]; alpha is ignored. */
  async add(rgba: Uint8Array): Promise<void> {
    if (this.#failure) throw this.#failure;
    const { width, height, fps } = this.#options;
    const index = this.#count++;
    if (rgba.length !== 4 * width * height) {
      throw new Error(
        `picture ${index} has ${rgba.length} bytes, ${width}×${height} pixels take ${4 * width * height}`,
      );
    }
    const frame = new this.#codecs.VideoFrame(toI420(rgba, width, height), {
      format: 'I420',
      codedWidth: width,
      codedHeight: height,
      timestamp: Math.round((index * 1e6) / fps),
      duration: Math.round(1e6 / fps),
      colorSpace: BT709,
    });
    this.#encoder.encode(frame, { keyFrame: index % Math.max(1, Math.round(KEY_FRAME_SECONDS * fps)) === 0 });
    frame.close();
    while (this.#encoder.encodeQueueSize > QUEUE && !this.#failure) {
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }

  /** The complete file. */
  async finish(): Promise<Uint8Array> {
    await this.#encoder.flush();
    this.#encoder.close();
    await this.#muxed;
    if (this.#failure) throw this.#failure;
    await this.#output.finalize();
    return new Uint8Array(this.#output.target.buffer!);
  }

  /** Gives up; nothing is left behind. */
  async cancel(): Promise<void> {
    if (this.#encoder.state !== 'closed') this.#encoder.close();
    await this.#output.cancel();
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
  const config = {
    codec: `avc1.64${level(width * height)}`,
    width,
    height,
    framerate: fps,
    bitrate: Math.round(1e6 * (options.bitrate ?? defaultBitrate(options))),
    // The same encoder everywhere, whatever the machine's video hardware.
    hardwareAcceleration: 'prefer-software',
    latencyMode: 'quality',
    avc: { format: 'avc' },
  } as const;
  const { supported } = await codecs.VideoEncoder.isConfigSupported(config);
  if (!supported) {
    throw new InputError(
      `orbit.size: the H.264 encoder refuses ${width}×${height} at ${fps} frames a second; ` +
        'choose a smaller size, or set orbit.video to false',
    );
  }
  return { codecs, config };
}

/** All pictures (rgba8 [H, W] each) as one MP4. */
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
