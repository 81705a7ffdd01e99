import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { GpuError } from '../wgsl/core/index.ts';
import { CropSampler } from '../wgsl/image/crop.ts';
import { type CropTransform, centerTransform, cropTransforms } from '../wgsl/image/crop-transforms.ts';
import { withGpu } from './helpers/gpu.ts';
import { uniform } from './helpers/numbers.ts';
import { differences, near, targetsOf } from './helpers/vjp.ts';
import { type CropCase, crop } from './reference/crop.ts';

const mean = [0.48, 0.45, 0.4] as const;
const deviation = [0.26, 0.25, 0.27] as const;
const augment = { scale: [0.5, 1], rotate: 25, flip: true } as const;

/** Shrinking and turned, mirrored, stretched unevenly, magnified, half outside, and wholly outside. */
const transforms: CropTransform[] = [
  ...cropTransforms({ seed: 3, step: 5, batch: 2, width: 13, height: 11, size: 4, augment }),
  { axisX: [-2.5, 0], axisY: [0, 2.5], origin: [12, 0.5] },
  centerTransform(13, 11, { kind: 'exact', width: 4, height: 6 }, 4),
  { axisX: [0.7, 0.2], axisY: [-0.2, 0.7], origin: [5, 4] },
  { axisX: [2, 0], axisY: [0, 2], origin: [-5, 7] },
  { axisX: [1, 0], axisY: [0, 1], origin: [40, 40] },
];

test('crops and their gradient agree with a plain reference and finite differences', () =>
  withGpu(async (gpu, arena) => {
    const [width, height, size, batch] = [13, 11, 4, transforms.length];
    const image = uniform(width * height * 4, 1, -0.3, 1.3);
    const given: CropCase = { width, height, size, transforms, mean, deviation };
    const doubles = Float64Array.from(image);
    const expected = crop(doubles, given);
    const cotangent = uniform(expected.length, 2, -1, 1);

    const change = differences((inputs) => crop(inputs[0], given), [doubles], 0, cotangent);
    const color = arena.upload('image', image, 'test');
    const gradPixels = arena.upload('gradPixels', cotangent, 'test');
    const before = uniform(image.length, 3);
    const added = change.map((value, i) => value + before[i]);
    for (const target of targetsOf(gpu)) {
      const pixels = arena.buffer('pixels', 4 * expected.length);
      const sampler = await CropSampler.create(arena, { batch, size, mean, deviation }, pixels, target);
      const gradImage = arena.upload('gradImage', before, 'test');
      sampler.set(width, height, transforms);
      gpu.run('test', (recorder) => {
        sampler.record(recorder, color);
        sampler.recordBackward(recorder, color, gradPixels, gradImage);
      });
      near(await gpu.readFloats(pixels, 'test', expected.length), expected, 2e-5, `${target} crops`);
      const found = await gpu.readFloats(gradImage, 'test', image.length);
      near(found, added, 2e-5, `${target} gradient, added to what was there`);
    }
    const stopped = image.findIndex((value, i) => i % 4 < 3 && value > 1);
    assert.is(change[stopped], 0, 'the clamp stops gradients');
    assert.ok(change.filter((value, i) => i % 4 < 3 && value !== 0).length > 200, 'most pixels are seen');
  }));

test('the largest batch compiles, and a larger one is refused', () =>
  withGpu(async (gpu, arena) => {
    const pixels = arena.buffer('pixels', 16);
    const create = (batch: number) =>
      CropSampler.create(arena, { batch, size: 1, mean, deviation }, pixels, 'portable');
    await create(256);
    await gpu.settle();
    const error = await create(257).catch((error: unknown) => error);
    assert.instance(error, GpuError);
    assert.match(String(error), /257 crops a batch; the kernels take 256 at most \(crops\.count\)/);
  }));

test('targets agree over several tiles and more crops than bits of a word', () =>
  withGpu(async (gpu, arena) => {
    const [width, height, size, batch] = [45, 37, 21, 40];
    // Magnified and reduced, all turned and inside the picture, where 1/Σ weights is well-conditioned.
    const crops = Array.from({ length: batch }, (_, i): CropTransform => {
      const [angle, scale] = [0.3 * i, 0.3 + 0.02 * i];
      const [c, s] = [scale * Math.cos(angle), scale * Math.sin(angle)];
      const half = size / 2;
      const origin = [width / 2 + 4 * s - half * (c - s), height / 2 + 4 * c - half * (c + s)] as const;
      return { axisX: [c, s], axisY: [-s, c], origin };
    });
    const count = batch * 3 * size ** 2;
    const color = arena.upload('image', uniform(4 * width * height, 1, -0.3, 1.3), 'test');
    const gradPixels = arena.upload('gradPixels', uniform(count, 2, -1, 1), 'test');
    const found: Float32Array[][] = [];
    for (const target of targetsOf(gpu)) {
      const pixels = arena.buffer('pixels', 4 * count);
      const sampler = await CropSampler.create(arena, { batch, size, mean, deviation }, pixels, target);
      const gradImage = arena.buffer('gradImage', 16 * width * height);
      sampler.set(width, height, crops);
      gpu.run('test', (recorder) => {
        sampler.record(recorder, color);
        sampler.recordBackward(recorder, color, gradPixels, gradImage);
      });
      found.push([
        await gpu.readFloats(pixels, 'test', count),
        await gpu.readFloats(gradImage, 'test', 4 * width * height),
      ]);
    }
    for (const [crops, gradients] of found.slice(1)) {
      near(crops, Float64Array.from(found[0][0]), 2e-5, 'crops');
      near(gradients, Float64Array.from(found[0][1]), 2e-5, 'gradients');
      assert.ok(gradients.filter((value) => value !== 0).length > 1000);
    }
  }));

test('the first step whose gradient is not finite is kept', () =>
  withGpu(async (gpu, arena) => {
    const [width, height, size, batch] = [13, 11, 4, transforms.length];
    const count = 3 * batch * size ** 2;
    const image = arena.upload('image', uniform(width * height * 4, 1), 'test');
    const sound = uniform(count, 2, -1, 1);
    for (const target of targetsOf(gpu)) {
      for (const value of [Number.NaN, Number.NEGATIVE_INFINITY]) {
        const damaged = sound.map((number, i) => (i === 5 ? value : number));
        const pixels = arena.buffer('pixels', 4 * count);
        const sampler = await CropSampler.create(arena, { batch, size, mean, deviation }, pixels, target);
        const gradImage = arena.buffer('gradImage', 16 * width * height);
        const after = async (gradient: Float32Array, step?: number) => {
          const gradPixels = arena.upload('gradPixels', gradient, 'test');
          sampler.set(width, height, transforms, step);
          gpu.run('test', (recorder) => {
            sampler.record(recorder, image);
            sampler.recordBackward(recorder, image, gradPixels, gradImage);
          });
          return (await gpu.readWords(sampler.nonFiniteStep, 'test', 1))[0];
        };
        assert.is(await after(sound, 3), 0, target);
        assert.is(await after(damaged), 0, target);
        assert.is(await after(damaged, 4), 4, target);
        assert.is(await after(damaged, 5), 4, target);
        assert.is(await after(sound, 6), 4, target);
      }
    }
  }));

test('random crops stay inside, repeat by step, and use their ranges', () => {
  const request = { seed: 9, batch: 64, width: 40, height: 30, size: 8, augment };
  const first = cropTransforms({ ...request, step: 1 });
  assert.equal(first, cropTransforms({ ...request, step: 1 }));
  assert.not.equal(first, cropTransforms({ ...request, step: 2 }));
  let mirrored = 0;
  const sides = first.map(({ axisX, axisY, origin }) => {
    for (const [u, v] of [
      [0, 0],
      [8, 0],
      [0, 8],
      [8, 8],
    ]) {
      const [x, y] = [0, 1].map((i) => origin[i] + u * axisX[i] + v * axisY[i]);
      assert.ok(x >= -1e-9 && x <= 40 + 1e-9 && y >= -1e-9 && y <= 30 + 1e-9, `corner at ${x}, ${y}`);
    }
    assert.ok(Math.abs(axisX[0] * axisY[0] + axisX[1] * axisY[1]) < 1e-12, 'axes are orthogonal');
    if (axisX[0] * axisY[1] - axisX[1] * axisY[0] < 0) mirrored++;
    const angle = Math.atan2(-axisY[0], axisY[1]);
    assert.ok(Math.abs(angle) <= (25 * Math.PI) / 180);
    return (8 * Math.hypot(...axisY) * (Math.abs(Math.cos(angle)) + Math.abs(Math.sin(angle)))) / 30;
  });
  assert.ok(mirrored > 16 && mirrored < 48, `${mirrored} of 64 mirrored`);
  assert.ok(Math.min(...sides) >= 0.5 && Math.min(...sides) < 0.55, `smallest ${Math.min(...sides)}`);
  assert.ok(Math.max(...sides) <= 1 && Math.max(...sides) > 0.95, `largest ${Math.max(...sides)}`);
});

test('the centre of a whole picture', () => {
  assert.equal(centerTransform(300, 200, { kind: 'shortest-edge', pixels: 100 }, 100), {
    axisX: [2, 0],
    axisY: [0, 2],
    origin: [50, 0],
  });
  // resized to a shortest edge of 256 of which the middle 224 is cut
  const { origin } = centerTransform(512, 512, { kind: 'shortest-edge', pixels: 256 }, 224);
  assert.equal(origin, [32, 32]);
});

test.run();
