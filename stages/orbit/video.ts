import type { VideoEncoder, VideoEncoderConfig } from '@napi-rs/webcodecs';
import type { BufferTarget, EncodedVideoPacketSource, Mp4OutputFormat, Output } from 'mediabunny';
import { InputError } from '../../wgsl/core/index.ts';
import { BT709, i420Bytes } from '../../wgsl/image/to_i420.ts';
import { withoutTimes } from './mp4-times.ts';

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
/** Pictures that may wait in the encoder; beyond that `add` waits. */
const QUEUE = 8;

/**
 * Writes an MP4 of one H.264 track (BT.709, 4:2:0), picture by picture, in memory. The encoder cuts each picture into as many slices
 * as the machine has cores, and encodes them at once in threads of its own.
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

  /** Adds the next picture: its I420 planes, which may change as soon as this returns. Waits only while too many wait here. */
  async add(planes: Uint8Array): Promise<void> {
    if (this.#failure) throw this.#failure;
    const { width, height, fps } = this.#options;
    const index = this.#count++;
    if (planes.length !== i420Bytes(width, height)) {
      throw new Error(
        `picture ${index} has ${planes.length} bytes, the planes of ${width}×${height} pixels take ${i420Bytes(width, height)}`,
      );
    }
    const frame = new this.#codecs.VideoFrame(planes, {
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
    return withoutTimes(new Uint8Array(this.#output.target.buffer!));
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
  return { codecs, config };
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
