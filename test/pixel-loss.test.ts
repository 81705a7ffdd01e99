/** The losses of a picture against its base, pixel by pixel: image/total-variation and image/masked-l1. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Arena, Gpu } from '../wgsl/core/index.ts';
import { PixelLoss, type PixelLossKind } from '../wgsl/image/pixel-loss.ts';
import { withGpu } from './helpers/gpu.ts';
import { uniform } from './helpers/numbers.ts';
import { maskedL1, totalVariation } from './reference/pixel-loss.ts';
import type { RgbaPicture } from './reference/structure.ts';

const LARGEST = { width: 60, height: 41 };
const FLOATS = 4 * LARGEST.width * LARGEST.height;

/** A picture whose differences are both below and above a level of 8 bits. */
function noisy(width: number, height: number, seed: number): RgbaPicture {
  const data = uniform(4 * width * height, seed, -1, 1).map((value) => 0.5 + 0.1 * value ** 5);
  return { width, height, data };
}

interface Case {
  kind: PixelLossKind;
  width: number;
  height: number;
  masked?: boolean;
}

const cases: Case[] = [
  { kind: 'total-variation', ...LARGEST },
  { kind: 'total-variation', width: 33, height: 17 },
  { kind: 'total-variation', width: 1, height: 3 },
  { kind: 'masked-l1', ...LARGEST, masked: true },
  { kind: 'masked-l1', width: 23, height: 51, masked: true },
  { kind: 'masked-l1', width: 33, height: 17 },
];

/** Levels of 8 bits, many of them 0. */
const maskOf = (pixels: number) =>
  uniform(pixels, 8, -127, 255).map((value) => Math.round(Math.max(0, value)));

async function measure(
  gpu: Gpu,
  arena: Arena,
  { kind, masked }: Case,
  picture: RgbaPicture,
  base: RgbaPicture,
  weight: number,
) {
  const room = (values: ArrayLike<number>) => {
    const floats = new Float32Array(FLOATS).fill(7);
    floats.set(values);
    return floats;
  };
  const before = uniform(FLOATS, 9, -1e-3, 1e-3);
  const gradient = arena.upload('gradient', before, 'test');
  const engine = await PixelLoss.create(gpu, arena, kind, {
    ...LARGEST,
    label: kind,
    picture: arena.upload('picture', room(picture.data), 'test'),
    base: arena.upload('base', room(base.data), 'test'),
    gradient,
    hasMask: masked,
  });
  engine.set(picture, weight);
  // Only r counts.
  const words = Uint32Array.from(maskOf(FLOATS / 4), (level) => 0x80402000 | level);
  const mask = masked ? engine.bindMask(arena.upload('mask', words, 'test')) : undefined;
  gpu.run('test', (recorder) => engine.record(recorder, mask));
  const [loss] = await gpu.readFloats(engine.loss, 'test');
  const after = await gpu.readFloats(gradient, 'test');
  return { loss, added: Float64Array.from(after, (value, i) => value - before[i]) };
}

function expectation({ kind, masked }: Case, picture: RgbaPicture, base: RgbaPicture) {
  if (kind === 'total-variation') return totalVariation(picture, base);
  const mask = maskOf(FLOATS / 4);
  return maskedL1(picture, base, (pixel) => (masked ? mask[pixel] / 255 : 1));
}

for (const one of cases) {
  const { kind, width, height, masked } = one;
  test(`${kind} of ${width}×${height}${masked ? ' with a mask' : ''} agrees with the reference`, () =>
    withGpu(async (gpu, arena) => {
      const [picture, base] = [noisy(width, height, 1), noisy(width, height, 2)];
      const weight = 0.5;
      const { loss, added } = await measure(gpu, arena, one, picture, base, weight);
      const expected = expectation(one, picture, base);
      assert.ok(Math.abs(loss / expected.loss - 1) < 1e-5, `${loss}, expected ${expected.loss}`);
      assert.ok(expected.loss > 1e-4);
      let [norm, error] = [0, 0];
      added.forEach((value, i) => {
        const wanted = weight * (expected.gradient[i] ?? 0);
        norm += wanted ** 2;
        error += (value - wanted) ** 2;
      });
      assert.ok(Math.sqrt(error / norm) < 1e-4, `gradient off by ${Math.sqrt(error / norm)}`);
      const again = await measure(gpu, arena, one, picture, base, weight);
      assert.equal(again, { loss, added }, 'two runs give the same bits');
    }));
}

test('the references’ gradients agree with finite differences', () => {
  for (const one of [cases[1], cases[4]]) {
    const [picture, base] = [noisy(one.width, one.height, 1), noisy(one.width, one.height, 2)];
    const { gradient } = expectation(one, picture, base);
    let seen = 0;
    for (let at = 0; at < gradient.length; at += 41) {
      const losses = [-1e-6, 1e-6].map((step) => {
        const data = Float64Array.from(picture.data);
        data[at] += step;
        return expectation(one, { ...picture, data }, base).loss;
      });
      const numeric = (losses[1] - losses[0]) / 2e-6;
      assert.ok(Math.abs(numeric - gradient[at]) < 1e-8, `${one.kind}, ${at}: ${gradient[at]} ${numeric}`);
      if (gradient[at]) seen++;
    }
    assert.ok(seen > 20, `${seen} places have a gradient`);
  }
});

test('a picture that is its base, or changes evenly, has no total variation', () =>
  withGpu(async (gpu, arena) => {
    const base = noisy(33, 17, 2);
    const brighter = { ...base, data: Float32Array.from(base.data, (value) => value + 0.25) };
    const tv = await measure(gpu, arena, cases[1], brighter, base, 1);
    assert.ok(tv.loss < 1e-6, `${tv.loss}`);
    const l1 = await measure(gpu, arena, cases[5], brighter, base, 1);
    assert.ok(Math.abs(l1.loss - 0.2461) < 1e-3, `${l1.loss}`);
    const same = await measure(gpu, arena, cases[5], base, base, 1);
    assert.is(same.loss, 0);
    assert.ok(same.added.every((value) => value === 0));
  }));

test('a loss has a mask exactly when it was created for one', () =>
  withGpu(async (gpu, arena) => {
    const buffer = arena.buffer('all', 4 * FLOATS);
    const options = { ...LARGEST, label: 'l1', picture: buffer, base: buffer, gradient: buffer };
    const masked = await PixelLoss.create(gpu, arena, 'masked-l1', { ...options, hasMask: true });
    assert.throws(() => gpu.run('test', (recorder) => masked.record(recorder)), /no mask is bound/);
    const plain = await PixelLoss.create(gpu, arena, 'masked-l1', options);
    assert.throws(() => plain.bindMask(buffer), /created without `hasMask`/);
  }));

test('a picture that does not fit is refused', () =>
  withGpu(async (gpu, arena) => {
    const large = { width: 70, height: 60, data: [] };
    await measure(gpu, arena, cases[0], large, large, 1).then(
      () => assert.unreachable(),
      (error: Error) => assert.match(error.message, /70×60 does not fit 60×41/),
    );
  }));

test.run();
