import { InputError } from '../../../wgsl/core/index.ts';
import type { FileFormat, PictureOptions } from './format.ts';

/** Of 100. */
const QUALITY = 85;
/** Pictures that are encoded at once, each in host memory. */
const IN_FLIGHT = 4;
/** The format has 14 bits for a side. */
const MAX_SIDE = 16383;

/** VP8X: the file has alpha; the file is an animation. */
const ALPHA = 0x10;
const ANIMATION = 0x02;
/** ANMF: a frame replaces the one before it. */
const NO_BLENDING = 0x02;
/** Chunks of a still picture that a frame of an animation takes over. */
const FRAME_CHUNKS = new Set(['ALPH', 'VP8 ', 'VP8L']);

/**
 * An animation that loops, and keeps alpha. sharp encodes each picture by itself: its own animations hold all pixels in memory.
 * The container is that of https://developers.google.com/speed/webp/docs/riff_container.
 */
export const webp: FileFormat = {
  summary: 'animated WebP, `turntable.webp`',
  kinds: ['rgb', 'rgba', 'gray'],
  reads: 'pixels',
  check: async (options) => checkSize(options),
  async open(output, options) {
    checkSize(options);
    const frames: Promise<Uint8Array>[] = [];
    return {
      async add(pixels) {
        const frame = encode(pixels, options);
        // A failure is reported where the work is awaited.
        frame.catch(() => {});
        frames.push(frame);
        await frames.at(-IN_FLIGHT);
      },
      async finish() {
        await output.write(`${options.stem}.webp`, animation(await Promise.all(frames), options));
      },
      async cancel() {
        await Promise.allSettled(frames);
      },
    };
  },
};

function checkSize({ width, height }: PictureOptions): void {
  if (Math.max(width, height) <= MAX_SIDE) return;
  throw new InputError(
    `orbit.size: WebP holds up to ${MAX_SIDE} pixels a side, found ${width}×${height}; ` +
      'choose a smaller size, or leave webp out of orbit.files',
  );
}

/** The chunks of one picture. */
async function encode(pixels: Uint8Array, { width, height, kind }: PictureOptions): Promise<Uint8Array> {
  // A copy, because the caller's pixels may change meanwhile.
  const copy = Uint8Array.from(pixels);
  const { default: sharp } = await import('sharp');
  const picture = sharp(copy, { raw: { width, height, channels: 4 } });
  const opaque = kind === 'rgba' ? picture : picture.removeAlpha();
  const file = await opaque.webp({ quality: QUALITY }).toBuffer();
  const kept: Uint8Array[] = [];
  for (let at = 12; at < file.length; ) {
    const bytes = 8 + file.readUInt32LE(at + 4);
    const end = at + bytes + (bytes & 1);
    if (FRAME_CHUNKS.has(file.toString('latin1', at, at + 4))) kept.push(file.subarray(at, end));
    at = end;
  }
  return Buffer.concat(kept);
}

/** The whole file. Times are whole milliseconds, and their rounding does not add up. */
function animation(frames: readonly Uint8Array[], { width, height, fps, kind }: PictureOptions): Uint8Array {
  const header = Buffer.alloc(10);
  header[0] = ANIMATION | (kind === 'rgba' ? ALPHA : 0);
  header.writeUIntLE(width - 1, 4, 3);
  header.writeUIntLE(height - 1, 7, 3);
  const time = (index: number) => Math.round((1000 * index) / fps);
  const chunks = frames.map((frame, index) => {
    const place = Buffer.alloc(16);
    place.writeUIntLE(width - 1, 6, 3);
    place.writeUIntLE(height - 1, 9, 3);
    place.writeUIntLE(time(index + 1) - time(index), 12, 3);
    place[15] = NO_BLENDING;
    return chunk('ANMF', place, frame);
  });
  // A transparent background, and no end of the loop.
  const body = Buffer.concat([chunk('VP8X', header), chunk('ANIM', Buffer.alloc(6)), ...chunks]);
  return chunk('RIFF', Buffer.from('WEBP'), body);
}

function chunk(name: string, ...parts: Uint8Array[]): Buffer {
  const head = Buffer.from(`${name}\0\0\0\0`);
  const data = Buffer.concat([head, ...parts]);
  data.writeUInt32LE(data.length - 8, 4);
  return data.length & 1 ? Buffer.concat([data, Buffer.alloc(1)]) : data;
}
