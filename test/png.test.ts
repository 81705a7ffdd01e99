import { PNG } from 'pngjs';
import sharp from 'sharp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { encodePng, type PixelKind, PNG_THREADS } from '../stages/artefacts/png.ts';
import { mixed } from './helpers/numbers.ts';

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

test('a PNG keeps what its kind says', async () => {
  const rgba = new Uint8Array(mixed(7 * 5, 3).buffer);
  const read = async (pixels: Uint8Array, kind: PixelKind) =>
    sharp(await encodePng(pixels, 7, 5, kind))
      .toColourspace(kind === 'gray16' ? 'grey16' : kind === 'gray' ? 'b-w' : 'srgb')
      .raw({ depth: kind === 'gray16' ? 'ushort' : 'uchar' })
      .toBuffer({ resolveWithObject: true });
  const straight = await read(rgba, 'rgba');
  assert.is(straight.info.channels, 4);
  assert.equal([...straight.data], [...rgba]);
  const gray = await read(rgba, 'gray');
  assert.is(gray.info.channels, 1);
  assert.equal(
    [...gray.data],
    [...rgba].filter((_, i) => i % 4 === 0),
  );
  const units = rgba.slice(0, 2 * 7 * 5);
  const deep = await read(units, 'gray16');
  assert.is(deep.info.channels, 1);
  assert.equal([...deep.data], [...units]);
});

test.run();
