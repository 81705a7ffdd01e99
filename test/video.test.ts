import { EncodedVideoChunk, VideoDecoder, type VideoFrame } from '@napi-rs/webcodecs';
import { ALL_FORMATS, BufferSource, EncodedPacketSink, Input } from 'mediabunny';
import { PNG } from 'pngjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { encodePng, PNG_THREADS } from '../stages/artefacts/png.ts';
import { sideBySide } from '../stages/orbit/frame-files.ts';
import { encodeVideo, Mp4Writer, withoutTimes } from '../stages/orbit/video.ts';
import { InputError } from '../wgsl/core/index.ts';
import { mixed } from './helpers/numbers.ts';
import { i420Bytes } from './reference/to-i420.ts';

const WIDTH = 96;
const HEIGHT = 54;
const FRAMES = 13;
const FPS = 24;

/** A moving disc over a ground of its own colour for each picture. */
function picture(index: number): Uint8Array {
  const rgba = new Uint8Array(4 * WIDTH * HEIGHT);
  for (let y = 0; y < HEIGHT; y++) {
    for (let x = 0; x < WIDTH; x++) {
      const disc = Math.hypot(x - 20 - 4 * index, y - 27) < 15;
      rgba.set(disc ? [230, 60, 40, 255] : [30 + 8 * index, 90, 200 - 8 * index, 255], 4 * (y * WIDTH + x));
    }
  }
  return rgba;
}
const pictures = Array.from({ length: FRAMES }, (_, i) => picture(i));
const planes = pictures.map((rgba) => i420Bytes(rgba, WIDTH, HEIGHT));
const VIDEO = { width: WIDTH, height: HEIGHT, fps: FPS };

const mean = (rgba: Uint8Array) =>
  [0, 1, 2].map((channel) => {
    let sum = 0;
    for (let i = channel; i < rgba.length; i += 4) sum += rgba[i];
    return sum / (rgba.length / 4);
  });

/** BT.709 limited range back to rgb, written apart from the way there. */
function fromI420(planes: Uint8Array): Uint8Array {
  const rgba = new Uint8Array(4 * WIDTH * HEIGHT);
  const pixels = WIDTH * HEIGHT;
  for (let y = 0; y < HEIGHT; y++) {
    for (let x = 0; x < WIDTH; x++) {
      const chroma = (y >> 1) * (WIDTH / 2) + (x >> 1);
      const luma = (255 / 219) * (planes[y * WIDTH + x] - 16);
      const cb = (255 / 224) * (planes[pixels + chroma] - 128);
      const cr = (255 / 224) * (planes[pixels + pixels / 4 + chroma] - 128);
      const rgb = [luma + 1.5748 * cr, luma - 0.1873 * cb - 0.4681 * cr, luma + 1.8556 * cb];
      rgba.set([...rgb.map((v) => Math.round(Math.min(255, Math.max(0, v)))), 255], 4 * (y * WIDTH + x));
    }
  }
  return rgba;
}

async function decode(bytes: Uint8Array) {
  const input = new Input({ source: new BufferSource(bytes), formats: ALL_FORMATS });
  const track = await input.getPrimaryVideoTrack();
  assert.ok(track);
  const config = await track.getDecoderConfig();
  assert.ok(config);
  assert.ok(ArrayBuffer.isView(config.description));
  const description = new Uint8Array(
    config.description.buffer,
    config.description.byteOffset,
    config.description.byteLength,
  );
  const decoded: Promise<{ time: number; rgba: Uint8Array }>[] = [];
  const unpack = async (frame: VideoFrame) => {
    const planes = new Uint8Array(frame.allocationSize({ format: 'I420' }));
    await frame.copyTo(planes, { format: 'I420' });
    const time = frame.timestamp / 1e6;
    assert.equal([frame.displayWidth, frame.displayHeight], [WIDTH, HEIGHT]);
    frame.close();
    return { time, rgba: fromI420(planes) };
  };
  let failure: Error | undefined;
  const decoder = new VideoDecoder({
    output: (frame) => decoded.push(unpack(frame)),
    error: (error) => (failure = error),
  });
  decoder.configure({
    codec: config.codec,
    codedWidth: WIDTH,
    codedHeight: HEIGHT,
    description,
  });
  const times: number[] = [];
  for await (const packet of new EncodedPacketSink(track).packets()) {
    times.push(packet.timestamp);
    const { type, data } = packet;
    decoder.decode(new EncodedVideoChunk({ type, data, timestamp: Math.round(1e6 * packet.timestamp) }));
  }
  await decoder.flush();
  if (failure) throw failure;
  const frames = (await Promise.all(decoded)).sort((a, b) => a.time - b.time);
  return {
    frames,
    times,
    codec: config.codec,
    colorSpace: config.colorSpace,
    duration: await input.computeDuration(),
  };
}

for (const bitrate of [undefined, 1]) {
  const kind = bitrate ? `${bitrate} Mbit/s` : 'constant quality';
  test(`the video decodes to the same pictures, ${kind}`, () => decodesAlike(bitrate));
}

async function decodesAlike(bitrate?: number): Promise<void> {
  const video = await decode(await encodeVideo(planes, { ...VIDEO, bitrate }));
  assert.match(video.codec, /^avc1\.64/);
  assert.is(video.frames.length, FRAMES);
  assert.ok(Math.abs(video.duration - FRAMES / FPS) < 1e-3, `duration ${video.duration}`);
  assert.equal(
    [...video.times].sort((a, b) => a - b).map((time) => Math.round(time * FPS)),
    Array.from({ length: FRAMES }, (_, i) => i),
  );
  assert.is(video.colorSpace?.matrix, 'bt709');
  assert.is(video.colorSpace?.fullRange, false);
  for (const [i, { rgba }] of video.frames.entries()) {
    const [got, expected] = [mean(rgba), mean(pictures[i])];
    got.forEach((value, channel) => {
      assert.ok(Math.abs(value - expected[channel]) < 3, `picture ${i}: mean ${got} instead of ${expected}`);
    });
  }
}

test('equal pictures give equal files, however the threads run and whenever they are written', async () => {
  const first = await encodeVideo(planes, VIDEO);
  await new Promise((resolve) => setTimeout(resolve, 1100));
  const second = await encodeVideo(planes, VIDEO);
  assert.ok(first.length > 1000);
  assert.equal(second, first);
});

test('times of both versions are removed from an MP4, and a broken one is refused', () => {
  const box = (kind: string, ...parts: number[][]) => {
    const body = parts.flat();
    return [0, 0, (body.length + 8) >> 8, (body.length + 8) & 255, ...Buffer.from(kind), ...body];
  };
  const times = (count: number) => Array(count).fill(7);
  const file = (time: (count: number) => number[]) =>
    Uint8Array.from([
      ...box('ftyp', times(12)),
      ...box(
        'moov',
        box('mvhd', [0, 1, 1, 1], time(8), times(4)),
        box(
          'trak',
          box('tkhd', [1, 2, 2, 2], time(16), times(4)),
          box('mdia', box('mdhd', [0, 3, 3, 3], time(8))),
        ),
      ),
      ...box('mdat', times(20)),
    ]);
  assert.equal(
    withoutTimes(file(times)),
    file((count) => Array(count).fill(0)),
  );
  const broken = file(times);
  broken[23] = 255;
  assert.throws(() => withoutTimes(broken), /broken MP4: box moov at 20 has a size of/);
});

test('odd sizes are refused with the size to use', async () => {
  const error = await encodeVideo([], { width: 95, height: 54, fps: 24 }).then(
    () => new Error('it encoded'),
    (error: Error) => error,
  );
  assert.instance(error, InputError);
  assert.match(error.message, /found 95×54; use \[96, 54\]/);
});

test('a picture of another size is refused, and the encoder is released', async () => {
  const error = await encodeVideo([planes[0], new Uint8Array(8)], VIDEO).then(
    () => new Error('it encoded'),
    (error: Error) => error,
  );
  assert.match(error.message, /picture 1 has 8 bytes, the planes of 96×54 pixels take 7776/);
});

test('an abandoned video refuses further pictures', async () => {
  const writer = await Mp4Writer.create(VIDEO);
  await writer.add(planes[0]);
  await writer.cancel();
  const error = await writer.add(planes[1]).then(
    () => new Error('it was taken'),
    (error: Error) => error,
  );
  assert.match(error.message, /the video encoder's thread ended early/);
});

test('PNG bytes repeat, and contain the pixels without alpha', async () => {
  const rgba = Uint8Array.from({ length: 4 * 7 * 5 }, (_, i) => (i * 73) & 255);
  const [a, b] = await Promise.all([encodePng(rgba, 7, 5), encodePng(rgba, 7, 5)]);
  assert.equal(a, b);
  const png = PNG.sync.read(Buffer.from(a));
  assert.equal([png.width, png.height], [7, 5]);
  assert.equal(
    [...png.data],
    [...rgba].map((value, i) => (i % 4 === 3 ? 255 : value)),
  );
});

test('PNGs encoded concurrently equal those encoded one at a time, even if the pixels change meanwhile', async () => {
  const count = 3 * PNG_THREADS + 2;
  const sizes = Array.from({ length: count }, (_, i) => [20 + (i % 3), 10]);
  const drawn = sizes.map(([w, h], i) => new Uint8Array(mixed(w * h, 50 + i).buffer));
  const alone: Uint8Array[] = [];
  for (const [i, [w, h]] of sizes.entries()) alone.push(await encodePng(drawn[i], w, h));
  const all = sizes.map(([w, h], i) => {
    const png = encodePng(drawn[i], w, h);
    drawn[i].fill(0);
    return png;
  });
  assert.equal(await Promise.all(all), alone);
  assert.is(new Set(alone.map(String)).size, count);
  assert.throws(() => encodePng(drawn[0], 7, 7), /7×7 pixels has 196 bytes as rgba8, got 800/);
});

test('side by side keeps the rows of every plane together', () => {
  const [left, right] = [1, 2].map((seed) => new Uint8Array(mixed(24, seed).buffer).slice(0, 6 * 4 * 4));
  const both = sideBySide(left, right, 16, 4);
  const plane = (bytes: Uint8Array, from: number, w: number, row: number) => [
    ...bytes.subarray(from + w * row, from + w * (row + 1)),
  ];
  for (const [from, w, h] of [
    [0, 16, 4],
    [64, 8, 2],
    [80, 8, 2],
  ]) {
    for (let row = 0; row < h; row++) {
      const expected = [...plane(left, from, w, row), ...plane(right, from, w, row)];
      assert.equal(plane(both, 2 * from, 2 * w, row), expected);
    }
  }
});

test.run();
