import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { SOURCES } from '../wgsl/splat/densify/fixed-pass.ts';
import { SamplingWeights, weightUnit } from '../wgsl/splat/densify/sampling-weights.ts';
import { withGpu } from './helpers/gpu.ts';
import { uniform } from './helpers/numbers.ts';
import { samplingWeights } from './reference/sampling-weights.ts';

const COUNT = 2000;
const opacityLogits = uniform(COUNT, 1, -9, 9);

async function weigh(deadOpacity: number, rows: number, logits = opacityLogits) {
  let result: { weights: Uint32Array; sources: Uint32Array } = {
    weights: new Uint32Array(),
    sources: new Uint32Array(),
  };
  await withGpu(async (gpu, arena) => {
    const weights = arena.buffer('weights', 4 * logits.length);
    const sources = arena.buffer('sources', 4 * rows);
    const kernel = await SamplingWeights.create(
      arena,
      { count: logits.length, rows, seed: 42, step: 600, deadOpacity },
      { opacityLogits: arena.upload('logits', logits, 'test'), weights, sources },
    );
    gpu.run('test', (recorder) => kernel.record(recorder));
    result = {
      weights: await gpu.readWords(weights, 'test', logits.length),
      sources: await gpu.readWords(sources, 'test', rows),
    };
  });
  return result;
}

test('live Gaussians have weights by opacity; dead ones are pending', async () => {
  const { weights, sources } = await weigh(0.005, COUNT);
  const unit = weightUnit(COUNT);
  const expected = samplingWeights(opacityLogits, { seed: 42, step: 600, deadOpacity: 0.005 }, unit);
  const dead = expected.filter((weight) => weight === null).length;
  assert.ok(dead > 100 && dead < COUNT - 100);
  expected.forEach((weight, row) => {
    assert.is(sources[row], weight === null ? SOURCES.PENDING : SOURCES.NONE);
    // f32 knows an opacity to some 2e-7 of one, and rounding down may fall to either side.
    if (weight === null) assert.is(weights[row], 0);
    else
      assert.ok(
        Math.abs(weights[row] - (weight - 0.5)) <= 1 + 5e-7 * unit,
        `${row}: ${weights[row]}, ${weight}`,
      );
  });
});

test('new rows are pending, and no row is dead without relocation', async () => {
  const { weights, sources } = await weigh(-1, COUNT + 100);
  assert.ok(sources.subarray(0, COUNT).every((source) => source === SOURCES.NONE));
  assert.ok(sources.subarray(COUNT).every((source) => source === SOURCES.PENDING));
  assert.ok(
    weights.every((weight) => weight >= 1),
    'someone can be drawn however transparent all are',
  );
});

test('the sum of all weights fits in 32 bits, whatever the count', async () => {
  for (const count of [1, 2, 1000, 1023, 1025, 300_000, 1_000_000, 10_000_000]) {
    assert.ok(count * (weightUnit(count) + 1) < 2 ** 32, String(count));
    assert.ok(weightUnit(count) > 400);
  }
  const { weights } = await weigh(-1, 3, new Float32Array([60, 60, 60]));
  assert.ok(weights.every((weight) => weight <= weightUnit(3) + 1));
});

test.run();
