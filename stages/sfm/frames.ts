import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { VideoFrame } from '@napi-rs/webcodecs';
import type { InputVideoTrack } from 'mediabunny';
import { InputError } from '../../wgsl/core/index.ts';
import type { Report } from '../stage.ts';

/** The longer side at which sharpness is measured: noise averages out, and blur by motion of some pixels stays visible. */
const MEASURED_SIDE = 512;
/** Packets that the decoder may hold. */
const QUEUE = 16;
/** Quality of the frames' files; chroma keeps its full size. */
const JPEG = { quality: 97, chromaSubsampling: '4:4:4' } as const;

interface FrameOptions {
  /** Intervals of equal length, each of which gives its sharpest frame. */
  frames: number;
  /** An existing folder for `frame-0001.jpg` and on. */
  folder: string;
  report: Report;
  signal?: AbortSignal;
}

/** A grey picture: [height, width], row-major. */
interface Grey {
  data: Uint8Array;
  width: number;
  height: number;
}

/** @throws InputError when the file has no video that can be decoded here. */
export async function checkVideo(path: string): Promise<void> {
  await withTrack(path, async () => {});
}

/**
 * Writes the sharpest frame of each interval of a video, turned as a player shows it, as JPEG. An interval without a frame
 * gives none. Returns the names of the files.
 * @throws InputError when the file cannot be decoded.
 */
export async function extractFrames(
  path: string,
  { frames, folder, report, signal }: FrameOptions,
): Promise<string[]> {
  const names: string[] = [];
  await withTrack(path, async (track, decode) => {
    const start = await track.getFirstTimestamp();
    const length = (await track.computeDuration()) - start;
    let best: { frame: VideoFrame; sharpness: number; interval: number } | undefined;
    const write = async () => {
      if (!best) return;
      const name = `frame-${String(best.interval + 1).padStart(4, '0')}.jpg`;
      await writeFrame(best.frame, track.rotation, join(folder, name));
      best.frame.close();
      best = undefined;
      names.push(name);
    };
    for await (const frame of decode()) {
      signal?.throwIfAborted();
      const at = (frame.timestamp / 1e6 - start) / length;
      const interval = Math.min(frames - 1, Math.max(0, Math.floor(at * frames)));
      if (best && best.interval !== interval) {
        await write();
        report.progress({ step: interval, steps: frames });
      }
      const sharpness = sharpnessOf(await measured(frame));
      if (best && best.sharpness >= sharpness) {
        frame.close();
        continue;
      }
      best?.frame.close();
      best = { frame, sharpness, interval };
    }
    await write();
    report.progress({ step: frames, steps: frames });
  });
  return names;
}

/** Variance of the Laplacian (4 neighbours) over the inner pixels: larger for a sharper picture of the same scene. */
export function sharpnessOf({ data, width, height }: Grey): number {
  let sum = 0;
  let squares = 0;
  for (let y = 1; y < height - 1; y++) {
    for (let x = 1; x < width - 1; x++) {
      const i = y * width + x;
      const laplacian = data[i - 1] + data[i + 1] + data[i - width] + data[i + width] - 4 * data[i];
      sum += laplacian;
      squares += laplacian * laplacian;
    }
  }
  const count = Math.max(1, (width - 2) * (height - 2));
  return squares / count - (sum / count) ** 2;
}

/** The small grey picture of a frame: its luma. */
async function measured(frame: VideoFrame): Promise<Grey> {
  const { default: sharp } = await import('sharp');
  const { displayWidth: width, displayHeight: height } = frame;
  const planes = new Uint8Array(frame.allocationSize({ format: 'I420' }));
  const [{ offset, stride }] = await frame.copyTo(planes, { format: 'I420' });
  const luma = planes.subarray(offset, offset + stride * height);
  const scale = Math.min(1, MEASURED_SIDE / Math.max(width, height));
  const size = {
    width: Math.max(1, Math.round(scale * width)),
    height: Math.max(1, Math.round(scale * height)),
  };
  const { data, info } = await sharp(luma, { raw: { width: stride, height, channels: 1 } })
    .extract({ left: 0, top: 0, width, height })
    .resize({ ...size, fit: 'fill', kernel: 'linear' })
    .extractChannel(0)
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { data, width: info.width, height: info.height };
}

async function writeFrame(frame: VideoFrame, rotation: number, file: string): Promise<void> {
  const { default: sharp } = await import('sharp');
  const { displayWidth: width, displayHeight: height } = frame;
  const rgba = new Uint8Array(frame.allocationSize({ format: 'RGBA' }));
  await frame.copyTo(rgba, { format: 'RGBA' });
  await sharp(rgba, { raw: { width, height, channels: 4 } })
    .removeAlpha()
    .rotate(rotation)
    .jpeg(JPEG)
    .toFile(file);
}

type Decode = () => AsyncGenerator<VideoFrame>;

/** Calls `work` with the video of a file. The decoded frames are the caller's to close. */
async function withTrack(
  path: string,
  work: (track: InputVideoTrack, decode: Decode) => Promise<void>,
): Promise<void> {
  const { ALL_FORMATS, EncodedPacketSink, FilePathSource, Input } = await import('mediabunny');
  const { EncodedVideoChunk, VideoDecoder } = await import('@napi-rs/webcodecs');
  await (await open(path)).close().catch(() => {});
  const input = new Input({ source: new FilePathSource(path), formats: ALL_FORMATS });
  try {
    const track = await input.getPrimaryVideoTrack();
    const config = await track?.getDecoderConfig();
    if (!track || !config) throw new InputError('has no video that can be read', path);
    const own = { ...config, description: bytesOf(config.description) };
    if (!(await VideoDecoder.isConfigSupported(own)).supported) {
      throw new InputError(
        `has video of the codec ${config.codec}, which cannot be decoded here; convert it to H.264`,
        path,
      );
    }
    await work(track, async function* () {
      const ready: VideoFrame[] = [];
      let failure: Error | undefined;
      const decoder = new VideoDecoder({
        output: (frame) => void ready.push(frame),
        error: (error) => void (failure ??= error),
      });
      decoder.configure(own);
      try {
        for await (const { type, data, timestamp } of new EncodedPacketSink(track).packets()) {
          decoder.decode(new EncodedVideoChunk({ type, data, timestamp: Math.round(1e6 * timestamp) }));
          while (!failure && decoder.decodeQueueSize > QUEUE)
            await new Promise((next) => setTimeout(next, 2));
          if (failure) throw failure;
          while (ready.length) yield ready.shift()!;
        }
        await decoder.flush();
        if (failure) throw failure;
        while (ready.length) yield ready.shift()!;
      } finally {
        for (const frame of ready) frame.close();
        if (decoder.state !== 'closed') decoder.close();
      }
    });
  } catch (error) {
    if (error instanceof InputError || (error as Error).name === 'AbortError') throw error;
    throw new InputError(`cannot be decoded (${(error as Error).message.split('\n')[0]})`, path);
  } finally {
    input.dispose();
  }
}

function bytesOf(description: AllowSharedBufferSource | undefined): Uint8Array | undefined {
  if (!description) return undefined;
  if (!ArrayBuffer.isView(description)) return new Uint8Array(description);
  return new Uint8Array(description.buffer, description.byteOffset, description.byteLength);
}
