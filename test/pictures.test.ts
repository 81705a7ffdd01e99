import sharp from 'sharp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { areaResize } from '../stages/load/area-resize.ts';
import { type PictureOptions, readPicture } from '../stages/load/pictures.ts';
import { put, scratchFolder } from './helpers/scratch.ts';
import { throwsInput } from './helpers/throws.ts';

const folder = scratchFolder();
const [WIDTH, HEIGHT] = [24, 16];

/** Smooth rgb, so that lossy formats stay close. */
const pixels = Uint8Array.from({ length: 3 * WIDTH * HEIGHT }, (_, i) => {
  const [x, y, c] = [Math.floor(i / 3) % WIDTH, Math.floor(i / 3 / WIDTH), i % 3];
  return [10 * x, 15 * y, 5 * (x + y)][c];
});
const raw = { width: WIDTH, height: HEIGHT, channels: 3 as const };
const picture = () => sharp(pixels, { raw });

function options(more: Partial<PictureOptions> = {}): PictureOptions {
  return { calibrated: { width: WIDTH, height: HEIGHT }, downscale: 1, maxBytes: 2 ** 27, ...more };
}

function rgbOf(rgba: Uint8Array): number[] {
  return [...rgba].filter((_, i) => i % 4 !== 3);
}

function worst(a: ArrayLike<number>, b: ArrayLike<number>): number {
  assert.is(a.length, b.length);
  return Math.max(...Array.from(a, (value, i) => Math.abs(value - b[i])));
}

test('PNG and lossless WebP are read to the byte, JPEG nearly; alpha is 255', async () => {
  const formats: [string, Buffer, number][] = [
    ['a.png', await picture().png().toBuffer(), 0],
    ['a.webp', await picture().webp({ lossless: true }).toBuffer(), 0],
    ['a.jpg', await picture().jpeg({ quality: 100, chromaSubsampling: '4:4:4' }).toBuffer(), 4],
  ];
  for (const [name, bytes, tolerance] of formats) {
    const { width, height, rgba, hadAlpha } = await readPicture(put(folder, name, bytes), options());
    assert.equal([width, height, hadAlpha], [WIDTH, HEIGHT, false]);
    assert.ok(worst(rgbOf(rgba), pixels) <= tolerance, name);
    assert.ok(rgba.every((value, i) => i % 4 !== 3 || value === 255));
  }
});

test('grey, 16-bit, palette and profiled pictures become plain rgb8; alpha is dropped, not blended', async () => {
  const grey = Uint8Array.from({ length: WIDTH * HEIGHT }, (_, i) => i % 251);
  const greyPng = sharp(grey, { raw: { ...raw, channels: 1 } }).png();
  const fromGrey = await readPicture(put(folder, 'grey.png', await greyPng.toBuffer()), options());
  assert.equal(
    rgbOf(fromGrey.rgba),
    [...grey].flatMap((value) => [value, value, value]),
  );

  const deep = await picture().toColourspace('rgb16').png().toBuffer();
  assert.is((await sharp(deep).metadata()).depth, 'ushort');
  assert.ok(worst(rgbOf((await readPicture(put(folder, 'deep.png', deep), options())).rgba), pixels) <= 1);

  const profiled = await picture().keepIccProfile().withIccProfile('p3', { attach: true }).png().toBuffer();
  const stored = await sharp(profiled, { ignoreIcc: true }).raw().toBuffer();
  assert.ok((await sharp(profiled).metadata()).hasProfile);
  assert.equal(rgbOf((await readPicture(put(folder, 'p3.png', profiled), options())).rgba), [...stored]);

  const alpha = await picture().ensureAlpha(0.25).png().toBuffer();
  const straight = await readPicture(put(folder, 'alpha.png', alpha), options());
  assert.is(straight.hadAlpha, true);
  assert.equal(rgbOf(straight.rgba), [...pixels]);
});

test('an EXIF rotation applies only if the calibrated size shows it', async () => {
  const turned = await picture().withMetadata({ orientation: 6 }).png().toBuffer();
  const path = put(folder, 'turned.png', turned);
  const asStored = await readPicture(path, options());
  assert.equal([asStored.width, asStored.height], [WIDTH, HEIGHT]);
  assert.equal(rgbOf(asStored.rgba), [...pixels]);
  const upright = await readPicture(path, options({ calibrated: { width: HEIGHT, height: WIDTH } }));
  assert.equal([upright.width, upright.height], [HEIGHT, WIDTH]);
  const expected = await picture().rotate(90).raw().toBuffer();
  assert.equal(rgbOf(upright.rgba), [...expected]);
});

test('area averaging: every output pixel is the mean of the area that it covers', () => {
  for (const [width, height] of [
    [12, 8],
    [10, 7],
    [23, 5],
    [1, 1],
    [24, 16],
  ]) {
    const actual = areaResize(pixels, raw, width, height);
    const [sx, sy] = [WIDTH / width, HEIGHT / height];
    const expected = Float64Array.from({ length: 3 * width * height }, (_, i) => {
      const [x, y, c] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width), i % 3];
      let sum = 0;
      for (let v = 0; v < HEIGHT; v++) {
        for (let u = 0; u < WIDTH; u++) {
          const wide = Math.max(0, Math.min((x + 1) * sx, u + 1) - Math.max(x * sx, u));
          const high = Math.max(0, Math.min((y + 1) * sy, v + 1) - Math.max(y * sy, v));
          sum += wide * high * pixels[3 * (v * WIDTH + u) + c];
        }
      }
      return sum / (sx * sy);
    });
    assert.ok(worst(actual, expected) <= 0.5 + 1e-3, `${width}×${height}`);
  }
});

test('downscale divides the size, fractions too', async () => {
  const path = put(folder, 'big.png', await picture().png().toBuffer());
  const half = await readPicture(path, options({ downscale: 2.5 }));
  assert.equal([half.width, half.height, half.rgba.length], [10, 6, 240]);
});

test('errors of damaged and foreign files name the file and the expected format', async () => {
  for (const [name, bytes] of [
    ['cut.png', await picture().png().toBuffer()],
    ['cut.jpg', await picture().jpeg().toBuffer()],
    ['cut.webp', await picture().webp({ lossless: true }).toBuffer()],
  ] as const) {
    for (let part = 1; part < 8; part++) {
      const path = put(folder, name, bytes.subarray(0, Math.floor((bytes.length * part) / 8)));
      await throwsInput(() => readPicture(path, options()), path, 'PNG, JPEG or WebP');
    }
  }
  const svg = '<svg xmlns="http://www.w3.org/2000/svg" width="24" height="16"/>';
  await throwsInput(() => readPicture(put(folder, 'a.png', svg), options()), 'begins with 3c 73 76 67');
  await throwsInput(() => readPicture(put(folder, 'b.png', ''), options()), 'b.png: is empty');
  await throwsInput(() => readPicture(`${folder}/none.png`, options()), 'cannot be opened');
  await throwsInput(() => readPicture(folder, options()), folder, 'cannot be read');
});

test('a decompression bomb is refused by its header', async () => {
  // A PNG of 24×16 whose header claims 60000×40000: the same shape, 2.4 billion pixels.
  const bomb = await picture().png().toBuffer();
  bomb.writeUInt32BE(60000, 16);
  bomb.writeUInt32BE(40000, 20);
  bomb.writeUInt32BE(crc32(bomb.subarray(12, 29)), 29);
  const path = put(folder, 'bomb.png', bomb);
  await throwsInput(() => readPicture(path, options()), path, /limit|pixels/);
});

test('a picture of another aspect ratio, or too large for the adapter, is refused', async () => {
  const path = put(folder, 'shape.png', await picture().png().toBuffer());
  await throwsInput(
    () => readPicture(path, options({ calibrated: { width: 16, height: 24 } })),
    '24×16',
    '16×24',
  );
  const tooLarge = options({ maxBytes: 1000 });
  await throwsInput(() => readPicture(path, tooLarge), '1536 bytes', 'set downscale: 1.3');
  assert.is((await readPicture(path, { ...tooLarge, downscale: 1.3 })).width, 18);
});

function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let k = 0; k < 8; k++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return (crc ^ 0xffffffff) >>> 0;
}

test.run();
