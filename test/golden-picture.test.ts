import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  compare,
  differencePicture,
  encodePicture,
  type Picture,
  pictureHash,
  readPicture,
} from '../pipeline/golden/picture.ts';
import { changed, HEIGHT, noise, WIDTH } from './golden/example.ts';
import { put, scratchFolder } from './helpers/scratch.ts';
import { ssim } from './reference/ssim.ts';

const asReference = ({ width, height, rgb }: Picture) => ({
  width,
  height,
  channels: 3,
  data: Array.from(rgb, (level) => level / 255),
});

test('compare gives maximum, mean, and the SSIM of the plain reference', () => {
  const [a, b] = [noise(1), noise(2)];
  const { max, mean, ssim: similarity } = compare(a, b);
  const distances = Array.from(a.rgb, (level, i) => Math.abs(level - b.rgb[i]));
  assert.is(max, Math.max(...distances));
  assert.ok(Math.abs(mean - distances.reduce((sum, one) => sum + one, 0) / distances.length) < 1e-6);
  const reference = ssim(asReference(a), asReference(b), 'valid').mean;
  assert.ok(Math.abs(similarity - reference) < 1e-6, `${similarity}, the reference says ${reference}`);
  assert.equal(compare(a, a), { max: 0, mean: 0, ssim: 1 });
  assert.throws(() => compare(a, { ...b, width: HEIGHT, height: WIDTH }), /24×17 and 17×24/);
});

test('the difference is dark where pictures agree, bright where they differ most, and dark for rounding', () => {
  const picture = { width: 4, height: 4, rgb: new Uint8Array(48).fill(100) };
  const difference = differencePicture(picture, changed(picture, 7, 50));
  assert.is(difference.gain, 5);
  assert.equal([...difference.rgb.slice(0, 9)], [0, 0, 0, 0, 0, 0, 0, 250, 0]);
  assert.is(differencePicture(picture, changed(picture, 7, 1)).rgb[7], 31);
});

test('a picture is unchanged by PNG, and its hash covers pixels and size', async () => {
  const picture = noise(3);
  const again = await readPicture(put(scratchFolder(), 'a.png', encodePicture(picture)));
  assert.equal(again, picture);
  assert.is(pictureHash(again), pictureHash(picture));
  assert.is.not(pictureHash(changed(picture, 5, 1)), pictureHash(picture));
  assert.is.not(pictureHash({ ...picture, width: HEIGHT, height: WIDTH }), pictureHash(picture));
});

test.run();
