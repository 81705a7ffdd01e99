import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Regularize } from '../wgsl/splat/regularize.ts';
import { withGpu } from './helpers/gpu.ts';
import { uniform } from './helpers/numbers.ts';
import { regularize } from './reference/regularize.ts';

const ROWS = 700;
const COUNT = 613;
const WEIGHTS = { opacity: 0.01, scale: 0.02 };
const opacityLogits = uniform(ROWS, 1, -6, 6);
const logScales = uniform(3 * ROWS, 2, -7, 1);

test('the regulariser adds its gradient, for as many rows as the GPU counts', () =>
  withGpu(async (gpu, arena) => {
    const upload = (name: string, data: Float32Array) => arena.upload(name, data, 'test');
    const before = uniform(3 * ROWS, 3, -1e-4, 1e-4);
    const unused = arena.buffer('unused', 16);
    const splat = {
      means: unused,
      quats: unused,
      sh: unused,
      opacityLogits: upload('opacityLogits', opacityLogits),
      logScales: upload('logScales', logScales),
    };
    const gradients = {
      ...splat,
      opacityLogits: upload('gradOpacityLogits', before.slice(0, ROWS)),
      logScales: upload('gradLogScales', before),
    };
    const counts = arena.upload('counts', new Uint32Array([COUNT]), 'test');
    const kernel = await Regularize.create(gpu, { counts, rows: ROWS, splat, gradients }, WEIGHTS);
    gpu.run('test', (recorder) => kernel.record(recorder));
    const expected = regularize(opacityLogits.slice(0, COUNT), logScales.slice(0, 3 * COUNT), WEIGHTS);
    for (const name of ['opacityLogits', 'logScales'] as const) {
      const found = await gpu.readFloats(gradients[name], 'test');
      const wrong = found.findIndex(
        (value, i) => !(Math.abs(value - before[i] - (expected[name][i] ?? 0)) < 1e-10),
      );
      assert.is(wrong, -1, `${name}[${wrong}]`);
    }
  }));

test('the plain gradient agrees with finite differences', () => {
  const at = (name: 'opacityLogits' | 'logScales', i: number, offset: number) => {
    const moved = {
      opacityLogits: Float64Array.from(opacityLogits),
      logScales: Float64Array.from(logScales),
    };
    moved[name][i] += offset;
    return regularize(moved.opacityLogits, moved.logScales, WEIGHTS).loss;
  };
  const gradient = regularize(opacityLogits, logScales, WEIGHTS);
  for (const name of ['opacityLogits', 'logScales'] as const) {
    for (const i of [0, 17, 600]) {
      const numeric = (at(name, i, 1e-4) - at(name, i, -1e-4)) / 2e-4;
      assert.ok(Math.abs(numeric - gradient[name][i]) < 1e-6 * Math.abs(numeric) + 1e-12, `${name}[${i}]`);
    }
  }
});

test.run();
