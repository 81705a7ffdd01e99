import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ResetOpacity } from '../wgsl/splat/densify/reset-opacity.ts';
import { assertClose } from './helpers/close.ts';
import { withGpu } from './helpers/gpu.ts';
import { uniform } from './helpers/numbers.ts';
import { resetOpacity } from './reference/reset-opacity.ts';

const COUNT = 500;
const ROWS = 600;

test('lowers opacities to at most 0.01 and zeroes their moments', () =>
  withGpu(async (gpu, arena) => {
    const before = uniform(ROWS, 1, -9, 5);
    const buffers = {
      opacityLogits: arena.upload('logits', before, 'test'),
      m: arena.upload('m', uniform(ROWS, 2, 1, 2), 'test'),
      v: arena.upload('v', uniform(ROWS, 3, 1, 2), 'test'),
    };
    const reset = await ResetOpacity.create(arena, COUNT, 0.01, buffers);
    gpu.run('test', (recorder) => reset.record(recorder));
    const after = await gpu.readFloats(buffers.opacityLogits, 'test', ROWS);
    assertClose(after.subarray(0, COUNT), resetOpacity(before.subarray(0, COUNT), 0.01), { relative: 1e-6 });
    assert.equal(after.slice(COUNT), before.slice(COUNT), 'rows beyond the count do not change');
    for (const moment of [buffers.m, buffers.v]) {
      const values = await gpu.readFloats(moment, 'test', ROWS);
      assert.ok(values.subarray(0, COUNT).every((value) => value === 0));
      assert.ok(values.subarray(COUNT).every((value) => value >= 1));
    }
  }));

test.run();
