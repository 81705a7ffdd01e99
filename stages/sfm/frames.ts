import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { VideoDecoderConfig, VideoFrame } from '@napi-rs/webcodecs';
import { InputError } from '../../wgsl/core/index.ts';
import type { Report } from '../stage.ts';

/** The longer side at which sharpness is measured: noise averages out, and blur by motion of some pixels stays visible. */
const MEASURED_SIDE = 512;
/** Packets that the decoder may hold. */
const QUEUE = 16;
/** Milliseconds without a frame or an answer after which a video is given up. */
const STALLED = 8000;
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
    const { start, length } = track;
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

/** The video of a file. Times in seconds. */
interface Track {
  config: VideoDecoderConfig;
  /** Degrees by which a player turns it. */
  rotation: 0 | 90 | 180 | 270;
  start: number;
  length: number;
}

interface Packets {
  batch: { type: 'key' | 'delta'; data: Uint8Array<ArrayBuffer>; timestamp: number }[];
  done: boolean;
}

/** Calls `work` with the video of a file. The decoded frames are the caller's to close. */
async function withTrack(path: string, work: (track: Track, decode: Decode) => Promise<void>): Promise<void> {
  const { EncodedVideoChunk, VideoDecoder } = await import('@napi-rs/webcodecs');
  await access(path).catch(({ code }) => {
    throw new InputError(`cannot be read (${code})`, path);
  });
  const container = new Worker(new URL('./packets-worker.mjs', import.meta.url), {
    execArgv: [], // without those of the process, which may load a compiler
    workerData: { path },
  });
  try {
    const track = await answerOf<Track | { config?: undefined }>(container);
    if (!track.config) throw new InputError('has no video that can be read', path);
    const { config } = track;
    if (!(await VideoDecoder.isConfigSupported(config)).supported) {
      throw new InputError(
        `has video of the codec ${config.codec}, which cannot be decoded here; convert it to H.264`,
        path,
      );
    }
    await work(track, async function* () {
      const ready: VideoFrame[] = [];
      let failure: Error | undefined;
      let last = Date.now();
      const decoder = new VideoDecoder({
        output(frame) {
          last = Date.now();
          ready.push(frame);
        },
        error: (error) => void (failure ??= error),
      });
      decoder.configure(config);
      const check = () => {
        if (!failure && Date.now() - last > STALLED) failure = new Error('the decoder gives no more frames');
        if (failure) throw failure;
      };
      try {
        for (let done = false; !done; ) {
          container.postMessage('next');
          const packets = await answerOf<Packets>(container);
          done = packets.done;
          for (const { type, data, timestamp } of packets.batch) {
            decoder.decode(new EncodedVideoChunk({ type, data, timestamp: Math.round(1e6 * timestamp) }));
            last = Date.now();
            while (!failure && decoder.decodeQueueSize > QUEUE) {
              await new Promise((next) => setTimeout(next, 2));
              check();
            }
            check();
            while (ready.length) yield ready.shift()!;
          }
        }
        let flushed = false;
        const flush = decoder.flush().then(
          () => void (flushed = true),
          (error: Error) => void (failure ??= error),
        );
        last = Date.now();
        while (!flushed) {
          await Promise.race([flush, new Promise((next) => setTimeout(next, 50))]);
          check();
        }
        while (ready.length) yield ready.shift()!;
      } finally {
        for (const frame of ready) frame.close();
        if (decoder.state !== 'closed') decoder.close();
      }
    });
  } catch (error) {
    if (error instanceof InputError || (error as Error).name === 'AbortError') throw error;
    const [found] = (error as Error).message.split('\n');
    throw new InputError(`cannot be decoded (${found}); it is damaged: copy it again`, path);
  } finally {
    await container.terminate();
  }
}

/** The next answer of the thread that reads the container. */
function answerOf<Answer>(thread: Worker): Promise<Answer> {
  return new Promise<Answer>((resolve, reject) => {
    const settle = (work: () => void) => {
      clearTimeout(timer);
      thread.off('message', onMessage).off('error', fail).off('exit', onExit);
      work();
    };
    const fail = ({ message }: Error) => settle(() => reject(new Error(message)));
    const onExit = () => fail(new Error('reading its container ended the thread'));
    const onMessage = (answer: Answer & { failed?: string }) =>
      answer.failed === undefined ? settle(() => resolve(answer)) : fail(new Error(answer.failed));
    const timer = setTimeout(
      () => fail(new Error(`reading its container takes over ${STALLED / 1000} s`)),
      STALLED,
    );
    thread.on('message', onMessage).on('error', fail).on('exit', onExit);
  });
}
