import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Exposure, ExposureTraining, NEUTRAL_EXPOSURE } from '../wgsl/image/exposure.ts';
import { ExposureFit } from '../wgsl/image/exposure-fit.ts';
import { withGpu } from './helpers/gpu.ts';
import { uniform } from './helpers/numbers.ts';
import { near } from './helpers/vjp.ts';
import { adamStep } from './reference/adam.ts';
import { colorError, exposed, exposureBackward } from './reference/exposure.ts';

const VIEWS = 3;
/** More than the threads that sum, and no whole number of groups. */
const PIXELS = 17_003;
const matrices = Float32Array.from(uniform(12 * VIEWS, 5, -0.3, 0.3), (value, i) => {
  return value + NEUTRAL_EXPOSURE[i % 12];
});
const matrixOf = (view: number) => matrices.subarray(12 * view, 12 * (view + 1));

test('the reference agrees with finite differences', () => {
  const [picture, weights] = [uniform(20, 1, -0.2, 1.2), uniform(20, 2, -1, 1)];
  const matrix = matrixOf(1);
  const loss = (a: ArrayLike<number>, b: ArrayLike<number>) =>
    exposed(a, b).reduce((sum, value, i) => sum + value * weights[i], 0);
  const gradients = exposureBackward(picture, matrix, weights);
  const moved = (values: ArrayLike<number>, i: number, by: number) =>
    Float64Array.from(values, (value, k) => value + (k === i ? by : 0));
  const step = 1e-4;
  const numeric = (values: ArrayLike<number>, at: (values: ArrayLike<number>) => number) =>
    Array.from(values, (_, i) => (at(moved(values, i, step)) - at(moved(values, i, -step))) / (2 * step));
  near(
    gradients.picture,
    numeric(picture, (values) => loss(values, matrix)),
    1e-9,
    'picture',
  );
  near(
    gradients.matrix,
    numeric(matrix, (values) => loss(picture, values)),
    1e-9,
    'matrix',
  );
});

test('a picture, its gradient and the step of its exposure are those of the reference', () =>
  withGpu(async (gpu, arena) => {
    const picture = uniform(4 * PIXELS, 3, -0.2, 1.2);
    const weights = uniform(4 * PIXELS, 4, -1, 1);
    const buffers = {
      exposures: arena.upload('exposures', matrices, 'test'),
      m: arena.buffer('m', matrices.byteLength),
      v: arena.buffer('v', matrices.byteLength),
    };
    const { exposures, ...moments } = buffers;
    const steps = arena.buffer('steps', 4 * VIEWS);
    const color = arena.upload('color', picture, 'test');
    const result = arena.buffer('exposed', 16 * PIXELS);
    const gradient = arena.buffer('gradient', 16 * PIXELS);
    const gaussianCount = arena.upload('gaussianCount', new Uint32Array([7]), 'test');
    const options = { label: 'test', pixels: PIXELS, exposures, color, exposed: result };
    const forward = await Exposure.create(gpu, arena, options);
    const training = await ExposureTraining.create(gpu, arena, forward, {
      gradient,
      moments: { ...moments, steps },
      gaussianCount,
    });
    const read = async () => ({
      parameters: await gpu.readFloats(exposures, 'test', 12 * VIEWS),
      m: await gpu.readFloats(moments.m, 'test', 12 * VIEWS),
      v: await gpu.readFloats(moments.v, 'test', 12 * VIEWS),
      steps: [...(await gpu.readWords(steps, 'test', VIEWS))],
    });
    const run = async (view: number, pixels: number, rate: number) => {
      forward.setView(view, pixels, rate);
      gpu.write(gradient, weights, 'test');
      gpu.run('test', (recorder) => {
        forward.record(recorder);
        training.record(recorder);
      });
      return {
        exposed: await gpu.readFloats(result, 'test', 4 * pixels),
        picture: await gpu.readFloats(gradient, 'test', 4 * pixels),
      };
    };
    const expected = {
      parameters: Float64Array.from(matrices),
      m: new Float64Array(12 * VIEWS),
      v: new Float64Array(12 * VIEWS),
    };
    const taken = [0, 0, 0];
    for (const [view, pixels] of [
      [1, PIXELS],
      [2, 501],
      [1, PIXELS],
      [1, 9_000],
    ]) {
      const rows = (values: Float64Array) => values.subarray(12 * view, 12 * (view + 1));
      const [part, ofPart] = [picture.subarray(0, 4 * pixels), weights.subarray(0, 4 * pixels)];
      const found = await run(view, pixels, 0.02);
      const matrix = rows(expected.parameters).slice();
      near(found.exposed, exposed(part, matrix), 1e-4, 'exposed');
      const gradients = exposureBackward(part, matrix, ofPart);
      near(found.picture, gradients.picture, 1e-4, 'gradient of the picture');
      const state = { parameters: rows(expected.parameters), m: rows(expected.m), v: rows(expected.v) };
      adamStep(state, gradients.matrix, ++taken[view], () => 0.02, { epsilon: 1e-8 });
      const after = await read();
      near(after.parameters, expected.parameters, 2e-5, 'exposures');
      near(after.m, expected.m, 1e-4, 'm');
      near(after.v, expected.v, 1e-4, 'v');
      assert.equal(after.steps, taken);
    }
    const before = await read();
    gpu.write(gaussianCount, new Uint32Array([0]), 'test');
    await run(1, PIXELS, 0.02);
    assert.equal(await read(), before, 'a void step');
  }));

test('the fit is the least squares of the colours', () =>
  withGpu(async (gpu, arena) => {
    const pixels = 5_003;
    const fitted = async (picture: Float32Array, photo: Uint32Array, masked = false) => {
      const color = arena.upload('color', picture, 'test');
      const image = arena.upload('photo', photo, 'test');
      const [exposures, result] = [arena.buffer('exposures', 48), arena.buffer('exposed', 16 * pixels)];
      const options = { label: 'test', pixels, exposures, color, exposed: result };
      const { view } = await prepared(Exposure.create(gpu, arena, options));
      const fit = await ExposureFit.create(gpu, arena, { ...options, view, masked });
      return fit.fit(image);
    };
    const prepared = async (made: Promise<Exposure>) => {
      const exposure = await made;
      exposure.setView(0, pixels);
      return exposure;
    };
    const rgba8 = (values: ArrayLike<number>) =>
      Uint32Array.from({ length: pixels }, (_, i) =>
        [0, 1, 2, 3].reduce(
          (word, c) =>
            (word | (Math.round(255 * Math.min(1, Math.max(0, values[4 * i + c]))) << (8 * c))) >>> 0,
          0,
        ),
      );
    const levels = (words: Uint32Array) =>
      Float64Array.from({ length: 4 * pixels }, (_, i) => ((words[i >> 2] >>> (8 * (i % 4))) & 255) / 255);

    const matrix = [0.7, 0.05, 0, 0.1, 0, 0.8, 0.1, 0.05, 0.02, 0, 0.6, 0.2];
    const picture = uniform(4 * pixels, 9, 0, 1);
    near(await fitted(picture, rgba8(exposed(picture, matrix))), matrix, 1e-3, 'known exposure');

    // Masked pixels have no influence.
    const half = rgba8(exposed(picture, matrix)).map(
      (word, i) => (i % 2 ? 0x00ffffff : word | 0xff000000) >>> 0,
    );
    near(await fitted(picture, half, true), matrix, 1e-3, 'known exposure of the pixels that are not masked');
    const nothing = new Uint32Array(pixels);
    assert.equal([...(await fitted(picture, nothing, true))], NEUTRAL_EXPOSURE, 'all masked');

    // Of an unrelated photograph too: moving any entry makes the error larger.
    const photo = rgba8(uniform(4 * pixels, 10, 0, 1));
    const found = await fitted(picture, photo);
    const error = (entries: ArrayLike<number>) => colorError(exposed(picture, entries), levels(photo));
    const least = error(found);
    for (let i = 0; i < 12; i++) {
      for (const by of [-1e-2, 1e-2]) {
        assert.ok(error(found.map((value, k) => value + (k === i ? by : 0))) > least, `entry ${i} by ${by}`);
      }
    }

    // One colour leaves the matrix open: it stays near the neutral one.
    const grey = picture.map((_, i) => (i % 4 < 3 ? 0.5 : 1));
    const flat = await fitted(grey, rgba8(grey.map((value) => value / 2)));
    assert.ok(
      colorError(
        exposed(grey, flat),
        grey.map((value) => value / 2),
      ) < 1e-4,
    );
    assert.ok(
      flat.every((value) => Math.abs(value) < 1.1),
      [...flat].join(),
    );
  }));

test.run();
