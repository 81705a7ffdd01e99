import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { applyStartValues } from '../wgsl/splat/start-values.ts';
import { withGpu } from './helpers/gpu.ts';
import { uniform } from './helpers/numbers.ts';
import { startValues } from './reference/start-values.ts';

test('a strategy’s start sets the opacities and multiplies the scales', () =>
  withGpu(async (gpu, arena) => {
    const rows = 300;
    const count = 277;
    const splat = { opacityLogits: uniform(rows, 1, -5, 5), logScales: uniform(3 * rows, 2, -6, 0) };
    const buffers = {
      count,
      opacityLogits: arena.upload('opacityLogits', splat.opacityLogits, 'test'),
      logScales: arena.upload('logScales', splat.logScales, 'test'),
    };
    const start = { opacity: 0.1, scale: 0.3 };
    await applyStartValues(arena, buffers, start);
    const expected = startValues(splat, start);
    for (const [name, width] of [
      ['opacityLogits', 1],
      ['logScales', 3],
    ] as const) {
      const found = await gpu.readFloats(buffers[name], 'test', width * rows);
      const wrong = found.findIndex((value, i) => {
        const wanted = i < width * count ? expected[name][i] : splat[name][i];
        return !(Math.abs(value - wanted) < 1e-6);
      });
      assert.is(wrong, -1, `${name}[${wrong}]`);
    }
  }));

test.run();
