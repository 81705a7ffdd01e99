import { pathToFileURL } from 'node:url';
import { EncodedVideoChunk, VideoDecoder, type VideoFrame } from '@napi-rs/webcodecs';
import { ALL_FORMATS, BufferSource, EncodedPacketSink, Input } from 'mediabunny';
import sharp from 'sharp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { encodePng } from '../stages/artefacts/png.ts';
import type { PictureOptions } from '../stages/orbit/files/format.ts';
import { FILES } from '../stages/orbit/files/index.ts';
import { withoutTimes } from '../stages/orbit/files/video.ts';
import { InputError } from '../wgsl/core/index.ts';
import { noChromium, Page } from './helpers/chromium.ts';
import { put, scratchFolder } from './helpers/scratch.ts';
import { testUnless } from './helpers/skip.ts';
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
const VIDEO: PictureOptions = {
  stem: 'turntable',
  folder: 'frames',
  poster: 'poster',
  kind: 'rgb',
  width: WIDTH,
  height: HEIGHT,
  fps: FPS,
};
const VIDEOS = ['mp4', 'av1', 'webm'] as const;
type Video = (typeof VIDEOS)[number];

/** The one file of a format. */
async function encode(
  name: keyof typeof FILES,
  given: readonly Uint8Array[],
  options: Partial<PictureOptions> = {},
): Promise<Uint8Array> {
  let file: Uint8Array | undefined;
  const write = async (_: string, bytes: Uint8Array | string) => void (file = bytes as Uint8Array);
  const writer = await FILES[name].open({ write }, { ...VIDEO, ...options });
  try {
    for (const [i, pixels] of given.entries()) await writer.add(pixels, String(i));
    await writer.finish();
  } catch (error) {
    await writer.cancel();
    throw error;
  }
  assert.ok(file);
  return file;
}

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
  const given = config.description;
  const description =
    given && ArrayBuffer.isView(given)
      ? new Uint8Array(given.buffer, given.byteOffset, given.byteLength)
      : undefined;
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
    ...(description && { description }),
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

const CODECS = { mp4: /^avc1\.64/, av1: /^av01\.0/, webm: /^vp09\.00/ };

for (const name of VIDEOS) {
  for (const bitrate of [undefined, 1]) {
    const kind = bitrate ? `${bitrate} Mbit/s` : 'constant quality';
    test(`${name} decodes to the same pictures, ${kind}`, () => decodesAlike(name, bitrate));
  }
}

async function decodesAlike(name: Video, bitrate?: number): Promise<void> {
  const video = await decode(await encode(name, planes, { bitrate }));
  assert.match(video.codec, CODECS[name]);
  assert.is(video.frames.length, FRAMES);
  assert.ok(Math.abs(video.duration - FRAMES / FPS) < 1e-3, `duration ${video.duration}`);
  assert.equal(
    [...video.times].sort((a, b) => a - b).map((time) => Math.round(time * FPS)),
    Array.from({ length: FRAMES }, (_, i) => i),
  );
  assert.is(video.colorSpace?.matrix, 'bt709');
  assert.is(video.colorSpace?.fullRange, false);
  for (const [i, { rgba }] of video.frames.entries()) assertMean(name, i, rgba);
}

/** Grounds differ by 8 codes from one picture to the next. */
function assertMean(name: Video, index: number, rgba: Uint8Array): void {
  const [got, expected] = [mean(rgba), mean(pictures[index])];
  // AV1's encoder blends its key frames with their neighbours.
  const tolerance = name === 'av1' ? 4 : 3;
  got.forEach((value, channel) => {
    const message = `${name}, picture ${index}: mean ${got} instead of ${expected}`;
    assert.ok(Math.abs(value - expected[channel]) < tolerance, message);
  });
}

/** A page that decodes: the pictures of a video in the middle of each frame, and the frames of an animation. */
const PAGE = `<!doctype html><body><script>
async function seek(address, count, fps) {
  const video = document.createElement('video');
  const event = (name) =>
    new Promise((resolve, reject) => {
      video.addEventListener(name, resolve, { once: true });
      video.addEventListener('error', () => reject(new Error(video.error.message)), { once: true });
    });
  let shown = -1;
  const onFrame = (_, { mediaTime }) => {
    shown = mediaTime;
    video.requestVideoFrameCallback(onFrame);
  };
  video.requestVideoFrameCallback(onFrame);
  document.body.append(video);
  const loaded = event('loadeddata');
  video.src = address;
  await loaded;
  const canvas = document.createElement('canvas');
  const [width, height] = [(canvas.width = video.videoWidth), (canvas.height = video.videoHeight)];
  const context = canvas.getContext('2d', { willReadFrequently: true });
  const pictures = [];
  for (let i = 0; i < count; i++) {
    const found = event('seeked');
    video.currentTime = (i + 0.5) / fps;
    await found;
    // A seek ends before its frame is shown.
    for (let waits = 0; Math.abs(shown - i / fps) > 0.4 / fps; waits++) {
      if (waits === 500) throw new Error('frame ' + i + ' is not shown, but the one at ' + shown + ' s');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    context.drawImage(video, 0, 0);
    pictures.push([...context.getImageData(0, 0, width, height).data]);
  }
  return { width, height, pictures, duration: video.duration };
}

async function animation(base64) {
  const data = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const decoder = new ImageDecoder({ data, type: 'image/webp' });
  await decoder.tracks.ready;
  const { frameCount, repetitionCount } = decoder.tracks.selectedTrack;
  let duration = 0;
  for (let frameIndex = 0; frameIndex < frameCount; frameIndex++) {
    const { image } = await decoder.decode({ frameIndex });
    duration += image.duration / 1e6;
  }
  return { frameCount, loops: repetitionCount === Infinity, duration };
}
</script>`;

testUnless(
  test,
  noChromium,
  'Chromium decodes every video and animation, with every frame in its time',
  async () => {
    const path = put(scratchFolder(), 'page.html', PAGE);
    const page = await Page.open(pathToFileURL(path).href);
    try {
      await page.until("typeof animation === 'function'");
      for (const name of VIDEOS) {
        const base64 = Buffer.from(await encode(name, planes)).toString('base64');
        const address = `data:video/${name === 'webm' ? 'webm' : 'mp4'};base64,${base64}`;
        const found = (await page.evaluate(`seek('${address}', ${FRAMES}, ${FPS})`)) as {
          width: number;
          height: number;
          duration: number;
          pictures: number[][];
        };
        assert.equal([found.width, found.height], [WIDTH, HEIGHT]);
        // The first picture that is missing would be the one at the end.
        assert.ok(Math.abs(found.duration - FRAMES / FPS) < 0.5 / FPS, `${name}: ${found.duration} s`);
        for (const [i, rgba] of found.pictures.entries()) assertMean(name, i, Uint8Array.from(rgba));
      }
      const webp = Buffer.from(await encode('webp', pictures)).toString('base64');
      const { frameCount, loops, duration } = (await page.evaluate(`animation('${webp}')`)) as {
        frameCount: number;
        loops: boolean;
        duration: number;
      };
      assert.equal([frameCount, loops], [FRAMES, true]);
      assert.ok(Math.abs(duration - FRAMES / FPS) < 1e-3, `${duration} s`);
    } finally {
      await page.close();
    }
  },
);

test('equal pictures give equal files, however the threads run and whenever they are written', async () => {
  const first = await Promise.all(VIDEOS.map((name) => encode(name, planes)));
  await new Promise((resolve) => setTimeout(resolve, 1100));
  for (const [i, name] of VIDEOS.entries()) {
    assert.ok(first[i].length > 1000);
    assert.equal(await encode(name, planes), first[i], name);
  }
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
  const error = await encode('mp4', [], { width: 95 }).then(
    () => new Error('it encoded'),
    (error: Error) => error,
  );
  assert.instance(error, InputError);
  assert.match(error.message, /found 95×54; use \[96, 54\]/);
});

test('a picture of another size is refused, and the encoder is released', async () => {
  const error = await encode('mp4', [planes[0], new Uint8Array(8)]).then(
    () => new Error('it encoded'),
    (error: Error) => error,
  );
  assert.match(error.message, /picture 1 has 8 bytes, the planes of 96×54 pixels take 7776/);
});

test('an abandoned video refuses further pictures', async () => {
  const writer = await FILES.mp4.open({ write: async () => {} }, VIDEO);
  await writer.add(planes[0], '0');
  await writer.cancel();
  const error = await writer.add(planes[1], '1').then(
    () => new Error('it was taken'),
    (error: Error) => error,
  );
  assert.match(error.message, /the video encoder's thread ended early/);
});

test('animated WebP repeats, loops, and has every picture at its time, with alpha where its kind has it', async () => {
  const holed = pictures.map((rgba) => rgba.map((value, i) => (i % 4 === 3 && i % 64 > 32 ? 0 : value)));
  for (const kind of ['rgb', 'rgba'] as const) {
    const given = kind === 'rgba' ? holed : pictures;
    const file = await encode('webp', given, { kind });
    assert.equal(await encode('webp', given, { kind }), file);
    const decoded = sharp(file, { animated: true });
    const { pages, delay, loop, hasAlpha, pageHeight } = await decoded.metadata();
    assert.equal([pages, loop, hasAlpha, pageHeight], [FRAMES, 0, kind === 'rgba', HEIGHT]);
    // 24 frames a second in whole milliseconds.
    assert.is(
      delay!.reduce((sum, ms) => sum + ms, 0),
      Math.round((1000 * FRAMES) / FPS),
    );
    const pixels = new Uint8Array(await decoded.ensureAlpha().raw().toBuffer());
    for (const [i, expected] of given.entries()) {
      const got = pixels.subarray(i * expected.length, (i + 1) * expected.length);
      const alphas = (rgba: Uint8Array) => rgba.filter((_, at) => at % 4 === 3);
      assert.equal(alphas(got), alphas(expected), `alpha of picture ${i}`);
      const seen = (rgba: Uint8Array) => mean(rgba.map((value, at) => value * (expected[at | 3] && 1)));
      seen(got).forEach((value, channel) => {
        assert.ok(Math.abs(value - seen(expected)[channel]) < 3, `picture ${i}: mean ${seen(got)}`);
      });
    }
  }
});

test('the poster is the PNG of a picture', async () => {
  assert.equal(await encode('poster', pictures.slice(0, 1)), await encodePng(pictures[0], WIDTH, HEIGHT));
});

test.run();
