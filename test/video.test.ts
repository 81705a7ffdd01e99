import { EncodedVideoChunk, VideoDecoder, type VideoFrame } from '@napi-rs/webcodecs';
import { ALL_FORMATS, BufferSource, EncodedPacketSink, Input } from 'mediabunny';
import { PNG } from 'pngjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { sideBySide } from '../stages/orbit/frame-files.ts';
import { encodePng } from '../stages/orbit/png.ts';
import { encodeVideo } from '../stages/orbit/video.ts';
import { toI420 } from '../stages/orbit/yuv.ts';
import { InputError } from '../wgsl/core/index.ts';

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

const mean = (rgba: Uint8Array) =>
  [0, 1, 2].map((channel) => {
    let sum = 0;
    for (let i = channel; i < rgba.length; i += 4) sum += rgba[i];
    return sum / (rgba.length / 4);
  });

/** BT.709 limited range back to rgb, the inverse of yuv.ts written apart from it. */
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

test('the video decodes to the same pictures', async () => {
  const video = await decode(await encodeVideo(pictures, { width: WIDTH, height: HEIGHT, fps: FPS }));
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
});

test('odd sizes are refused with the size to use', async () => {
  const error = await encodeVideo([], { width: 95, height: 54, fps: 24 }).then(
    () => new Error('it encoded'),
    (error: Error) => error,
  );
  assert.instance(error, InputError);
  assert.match(error.message, /found 95×54; use \[96, 54\]/);
});

test('a picture of another size is refused, and the encoder is given back', async () => {
  const error = await encodeVideo([pictures[0], new Uint8Array(8)], {
    width: WIDTH,
    height: HEIGHT,
    fps: FPS,
  }).then(
    () => new Error('it encoded'),
    (error: Error) => error,
  );
  assert.match(error.message, /picture 1 has 8 bytes, 96×54 pixels take 20736/);
});

test('known colours become their BT.709 codes', () => {
  const block = (r: number, g: number, b: number) =>
    toI420(Uint8Array.from(Array(4).fill([r, g, b, 9]).flat()), 2, 2);
  assert.equal([...block(0, 0, 0)], [16, 16, 16, 16, 128, 128]);
  assert.equal([...block(255, 255, 255)], [235, 235, 235, 235, 128, 128]);
  assert.equal([...block(255, 0, 0)], [63, 63, 63, 63, 102, 240]);
  assert.equal([...block(0, 255, 0)], [173, 173, 173, 173, 42, 26]);
  assert.equal([...block(0, 0, 255)], [32, 32, 32, 32, 240, 118]);
});

test('PNG bytes repeat, and hold the pixels without alpha', async () => {
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

test('side by side keeps rows together', () => {
  const left = Uint8Array.from({ length: 4 * 2 * 2 }, (_, i) => i);
  const right = left.map((value) => value + 100);
  assert.equal(
    [...sideBySide(left, right, 2, 2)],
    [0, 100, 8, 108].flatMap((start) => Array.from({ length: 8 }, (_, i) => start + i)),
  );
});

test.run();
