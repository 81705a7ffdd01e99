import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { random4 } from '../wgsl/core/index.ts';
import { axisQuantiles } from '../wgsl/splat/axis-quantiles.ts';
import { withGpu } from './helpers/gpu.ts';
import { axisQuantiles as reference } from './reference/axis-quantiles.ts';

const COUNT = 1500;
const QUANTILES = [0.05, 0.95] as const;

/** A cloud with negative coordinates, ties, huge outliers and values that are no numbers. */
const means = Float32Array.from({ length: 3 * COUNT }, (_, i) => {
  const [u, v] = random4(9, 'noise', 0, i);
  if (i % 97 === 0) return [1e30, -1e30, Number.NaN, Number.POSITIVE_INFINITY][(i / 97) % 4];
  return i % 7 === 0 ? Math.round(4 * u) - 2 : (u - 0.5) * 10 ** (3 * v - 2);
});
const logits = Float32Array.from({ length: COUNT }, (_, i) =>
  Math.fround(16 * random4(9, 'noise', 1, i)[0] - 8.013),
);

test('finds the weighted quantiles to the bit', () =>
  withGpu(async (gpu, arena) => {
    const splat = {
      count: COUNT,
      means: arena.upload('means', means, 'test'),
      opacityLogits: arena.upload('logits', logits, 'test'),
    };
    const before = gpu.ledger.rows().find((row) => row.purpose === 'metrics')?.bytes ?? 0;
    const found = await axisQuantiles(gpu, splat, QUANTILES);
    assert.equal(found, reference(means, logits, QUANTILES));
    assert.ok(found?.low.every((value, axis) => value < 0 && value > -100 && found.high[axis] > 0));
    const after = gpu.ledger.rows().find((row) => row.purpose === 'metrics')?.bytes ?? 0;
    assert.is(after - before, 3 * 4 * 6 * 2048);
    assert.equal(await axisQuantiles(gpu, splat, [0, 1]), reference(means, logits, [0, 1]));
  }));

test('reports that nothing is visible', () =>
  withGpu(async (gpu, arena) => {
    const splat = {
      count: 4,
      means: arena.upload('means', new Float32Array(12), 'test'),
      opacityLogits: arena.upload('logits', new Float32Array(4).fill(-20), 'test'),
    };
    assert.is(await axisQuantiles(gpu, splat, QUANTILES), null);
  }));

test.run();
