import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { cropTransforms } from '../wgsl/image/crop-transforms.ts';
import { homographyTo, leastReach, perspectiveCrops } from '../wgsl/image/homography.ts';
import { WarpSampler } from '../wgsl/image/warp.ts';
import { withGpu } from './helpers/gpu.ts';
import { uniform } from './helpers/numbers.ts';
import { differences, near } from './helpers/vjp.ts';
import { type WarpCase, warp } from './reference/warp.ts';

const mean = [0.48, 0.45, 0.4] as const;
const deviation = [0.26, 0.25, 0.27] as const;
const [width, height, size] = [13, 11, 4];
const augment = { scale: [0.5, 1], rotate: 0, flip: true } as const;
const request = { seed: 3, step: 5, batch: 3, width, height, size, augment };

/** Random ones, shrinking, magnified, half outside, and wholly outside. */
const homographies = [
  ...perspectiveCrops(request, 0.5),
  homographyTo(
    [
      [0, 0],
      [13, 1],
      [10, 11],
      [2, 9],
    ],
    size,
  ),
  homographyTo(
    [
      [4, 4],
      [6, 4.3],
      [6.2, 6],
      [4.2, 5.6],
    ],
    size,
  ),
  homographyTo(
    [
      [8, 2],
      [20, 3],
      [18, 9],
      [9, 8],
    ],
    size,
  ),
  homographyTo(
    [
      [40, 40],
      [44, 41],
      [44, 45],
      [40, 44],
    ],
    size,
  ),
];

test('crops by homographies and their gradient agree with a plain reference and finite differences', () =>
  withGpu(async (gpu, arena) => {
    const first = 2;
    const batch = homographies.length;
    const image = uniform(width * height * 4, 1, -0.3, 1.3);
    const given: WarpCase = { width, height, size, homographies, mean, deviation };
    const doubles = Float64Array.from(image);
    const expected = warp(doubles, given);
    const cotangent = uniform(expected.length, 2, -1, 1);
    const change = differences((inputs) => warp(inputs[0], given), [doubles], 0, cotangent);
    const color = arena.upload('image', image, 'test');
    const skipped = first * 3 * size * size;
    const untouched = new Float32Array(skipped).fill(7);
    const gradPixels = arena.upload('gradPixels', Float32Array.from([...untouched, ...cotangent]), 'test');
    const before = uniform(image.length, 3);
    const added = change.map((value, i) => value + before[i]);
    const pixels = arena.upload('pixels', new Float32Array(skipped + expected.length).fill(7), 'test');
    const nonFiniteStep = arena.buffer('nonFiniteStep', 4);
    const target = { pixels, first, nonFiniteStep };
    const sampler = await WarpSampler.create(arena, { batch, size, mean, deviation }, target);
    sampler.set(width, height, homographies, 1);
    const gradImage = arena.buffer('gradImage', before.byteLength);
    const bytes: Float32Array[] = [];
    for (let run = 0; run < 2; run++) {
      gpu.write(gradImage, before, 'test');
      gpu.run('test', (recorder) => {
        sampler.record(recorder, color);
        sampler.recordBackward(recorder, color, gradPixels, gradImage);
      });
      const found = await gpu.readFloats(pixels, 'test');
      assert.equal(found.slice(0, skipped), untouched, 'crops of others stay');
      near(found.slice(skipped), expected, 2e-5, 'crops');
      bytes.push(await gpu.readFloats(gradImage, 'test', image.length));
      near(bytes[run], added, 2e-5, 'gradient, added to what was there');
    }
    assert.equal(bytes[1], bytes[0]);
    const stopped = image.findIndex((value, i) => i % 4 < 3 && value > 1);
    assert.is(change[stopped], 0, 'the clamp stops gradients');
    assert.ok(change.filter((value, i) => i % 4 < 3 && value !== 0).length > 200, 'most pixels are seen');
    assert.equal([...(await gpu.readWords(nonFiniteStep, 'test', 1))], [0]);
  }));

test('without distortion, a homography is the affine crop', () => {
  const transforms = cropTransforms(request);
  perspectiveCrops(request, 0).forEach(({ rows: [r0, r1, r2] }, i) => {
    const { axisX, axisY, origin } = transforms[i];
    near(
      [...r0, ...r1, ...r2],
      [axisX[0], axisY[0], origin[0], axisX[1], axisY[1], origin[1], 0, 0, 1],
      1e-9,
      'map',
    );
  });
});

test('corners move inwards by up to half of the distortion, and depend on seed, step and index', () => {
  const many = { ...request, batch: 200 };
  const flat = cropTransforms(many);
  const corners = (distortion: number) =>
    perspectiveCrops(many, distortion).map(({ rows: [r0, r1, r2] }, i) => {
      // In the coordinates of the flat crop, from 0 to 1.
      const { axisX, axisY, origin } = flat[i];
      const offset = [r0[2] / r2[2] - origin[0], r1[2] / r2[2] - origin[1]];
      const [x, y] = [axisX, axisY].map(
        (axis) => (offset[0] * axis[0] + offset[1] * axis[1]) / (axis[0] ** 2 + axis[1] ** 2) / size,
      );
      return [x, y];
    });
  const all = corners(0.5).flat();
  assert.ok(Math.min(...all) > -1e-9 && Math.min(...all) < 0.01);
  assert.ok(Math.max(...all) < 0.25 + 1e-9 && Math.max(...all) > 0.24);
  assert.ok(new Set(all.map((value) => value.toFixed(6))).size > 350, 'all differ');
  const other = perspectiveCrops({ ...many, step: 6 }, 0.5);
  assert.not.equal(other, perspectiveCrops(many, 0.5));
});

test('the least reach bounds that of every output pixel', () => {
  for (const homography of homographies) {
    const least = leastReach(homography, size);
    const {
      rows: [r0, r1, r2],
    } = homography;
    const found = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
    for (let i = 0; i <= 400; i++) {
      const [u, v] = [((i % 20) / 20) * size, (Math.floor(i / 20) / 20) * size];
      const at = (row: readonly number[]) => row[0] * u + row[1] * v + row[2];
      const w = at(r2);
      for (const axis of [0, 1]) {
        const length = Math.hypot(r0[axis] - (at(r0) / w) * r2[axis], r1[axis] - (at(r1) / w) * r2[axis]);
        found[axis] = Math.min(found[axis], w, length);
      }
    }
    found.forEach((value, axis) => {
      assert.ok(least[axis] > 0 && least[axis] <= value + 1e-12, `${least[axis]} is no bound of ${value}`);
      assert.ok(least[axis] > 0.9 * value, `${least[axis]} is far below ${value}`);
    });
  }
});

test.run();
