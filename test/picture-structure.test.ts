/** The structure of a picture against its base: image/structure and its gradient. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { correlation, Structure } from '../wgsl/image/structure.ts';
import { structureOf } from './bench/structure.ts';
import { withGpu } from './helpers/gpu.ts';
import { uniform } from './helpers/numbers.ts';
import { type RgbaPicture, structure } from './reference/structure.ts';

const LARGEST = { width: 70, height: 64 };

/** A striped picture with noise. */
function striped(width: number, height: number, seed: number, noise: number): RgbaPicture {
  const data = uniform(4 * width * height, seed, -noise, noise).map((value, i) => {
    const [x, y] = [Math.floor(i / 4) % width, Math.floor(i / 4 / width)];
    return value + 0.5 + 0.4 * Math.sin(0.4 * x + 0.2 * y + (i % 4) / 3);
  });
  return { width, height, data };
}

const negative = ({ data, ...size }: RgbaPicture) => ({
  ...size,
  data: Array.from(data, (x) => 0.3 - x / 2),
});

for (const [width, height] of [
  [70, 64],
  [41, 33],
  [4, 70],
]) {
  test(`agrees with the reference on ${width}×${height}`, () =>
    withGpu(async (gpu, arena) => {
      const base = striped(width, height, 2, 0.02);
      const picture = striped(width, height, 1, 0.5);
      const room = (values: ArrayLike<number>) => {
        const floats = new Float32Array(4 * LARGEST.width * LARGEST.height).fill(7);
        floats.set(values);
        return floats;
      };
      const before = uniform(4 * LARGEST.width * LARGEST.height, 9);
      const gradient = arena.upload('gradient', before, 'test');
      const engine = await Structure.create(gpu, arena, {
        ...LARGEST,
        picture: arena.upload('picture', room(picture.data), 'test'),
        base: arena.upload('base', room(base.data), 'test'),
        slots: 3,
        gradient,
      });
      const weight = 50;
      engine.set({ width, height }, { slot: 1, weight });
      gpu.run('test', (recorder) => {
        engine.record(recorder);
        engine.recordBackward(recorder);
      });
      const sums = await gpu.readFloats(engine.result, 'test');
      const expected = structure(picture, base);
      const found = correlation(sums.slice(4, 8))!;
      assert.ok(Math.abs(found - expected.correlation) < 1e-5, `${found}, expected ${expected.correlation}`);
      assert.ok(found > 0.1 && found < 0.95, `${found}`);
      assert.equal([sums[0], sums[8]], [0, 0], 'other slots stay');
      const after = await gpu.readFloats(gradient, 'test');
      let [norm, error] = [0, 0];
      for (let i = 0; i < after.length; i++) {
        const wanted = i < expected.gradient.length ? weight * expected.gradient[i] : 0;
        norm += wanted ** 2;
        error += (after[i] - before[i] - wanted) ** 2;
      }
      assert.ok(norm > 0);
      assert.ok(Math.sqrt(error / norm) < 1e-4, `gradient off by ${Math.sqrt(error / norm)}`);
    }));
}

test('the reference’s gradient agrees with finite differences', () => {
  const base = striped(13, 10, 2, 0.02);
  const picture = striped(13, 10, 1, 0.5);
  const { gradient } = structure(picture, base);
  const data = Float64Array.from(picture.data);
  for (const [x, y, c] of [
    [0, 0, 0],
    [5, 4, 1],
    [11, 7, 2],
    [12, 3, 1],
  ]) {
    const at = 4 * (13 * y + x) + c;
    const losses = [-1e-4, 1e-4].map((step) => {
      const moved = data.slice();
      moved[at] += step;
      return 1 - structure({ ...picture, data: moved }, base).correlation;
    });
    const numeric = (losses[1] - losses[0]) / 2e-4;
    assert.ok(
      Math.abs(numeric - gradient[at]) < 1e-8,
      `${x},${y},${c}: ${gradient[at]}, finite difference ${numeric}`,
    );
    assert.is(gradient[at] === 0, x === 12, 'the column beyond the last pair is not compared');
  }
});

test('pictures are measured against their base one by one', () =>
  withGpu(async (gpu) => {
    const [base, one, two] = [0.02, 0.1, 0.5].map((noise, seed) => striped(32, 24, seed, noise));
    const floats = ({ data, ...size }: RgbaPicture) => ({ ...size, data: Float32Array.from(data) });
    const found = await structureOf(gpu, floats(base), [one, two, base].map(floats));
    [one, two, base].forEach((picture, i) => {
      const { correlation } = structure(picture, base);
      assert.ok(Math.abs(found[i]! - correlation) < 1e-5, `${found[i]}, expected ${correlation}`);
    });
  }));

test('the base’s own edges give 1, exchanged light and dark −1, and no edges 0', () =>
  withGpu(async (gpu, arena) => {
    const [width, height] = [32, 24];
    const base = striped(width, height, 2, 0.02);
    const flat = new Float32Array(4 * width * height).fill(0.5);
    const measure = async (pictureData: ArrayLike<number>, baseData: ArrayLike<number>) => {
      const gradient = arena.upload('gradient', new Float32Array(4 * width * height), 'test');
      const engine = await Structure.create(gpu, arena, {
        width,
        height,
        picture: arena.upload('picture', Float32Array.from(pictureData), 'test'),
        base: arena.upload('base', Float32Array.from(baseData), 'test'),
        gradient,
      });
      engine.set({ width, height });
      gpu.run('test', (recorder) => {
        engine.record(recorder);
        engine.recordBackward(recorder);
      });
      const size = Math.hypot(...(await gpu.readFloats(gradient, 'test')));
      return { correlation: correlation(await gpu.readFloats(engine.result, 'test')), gradient: size };
    };
    const close = (found: number | undefined, wanted: number) =>
      assert.ok(Math.abs(found! - wanted) < 1e-6, `${found}, expected ${wanted}`);
    const [own, inverse] = [
      await measure(base.data, base.data),
      await measure(negative(base).data, base.data),
    ];
    close(own.correlation, 1);
    close(inverse.correlation, -1);
    assert.ok(own.gradient < 1e-6, `${own.gradient}`);
    assert.equal(await measure(flat, base.data), { correlation: 0, gradient: 0 });
    assert.equal(await measure(base.data, flat), { correlation: undefined, gradient: 0 });
    assert.equal(await measure(base.data, base.data), own, 'two runs give the same bits');
  }));

test.run();
