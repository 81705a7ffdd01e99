import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  compare,
  decodePicture,
  encodePicture,
  type Picture,
  pictureHash,
  worst,
} from '../pipeline/golden/picture.ts';
import { changed, HEIGHT, noise, WIDTH } from './golden/example.ts';
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

test('worst takes the worst value of each number', () => {
  const both = worst([
    { max: 3, mean: 0.1, ssim: 0.999 },
    { max: 1, mean: 0.4, ssim: 0.998 },
  ]);
  assert.equal(both, { max: 3, mean: 0.4, ssim: 0.998 });
});

test('a picture is unchanged by PNG, and its hash covers pixels and size', () => {
  const picture = noise(3);
  const again = decodePicture(encodePicture(picture));
  assert.equal(again, picture);
  assert.is(pictureHash(again), pictureHash(picture));
  assert.is.not(pictureHash(changed(picture, 5, 1)), pictureHash(picture));
  assert.is.not(pictureHash({ ...picture, width: HEIGHT, height: WIDTH }), pictureHash(picture));
});

test.run();
