import { test } from 'uvu';
import { slice } from '../wgsl/nn/slice.ts';
import { dispatchUnitRows } from '../wgsl/nn/unit-rows.ts';
import { withGpu } from './helpers/gpu.ts';
import { uniform } from './helpers/numbers.ts';
import { checkOp, near, targetsOf } from './helpers/vjp.ts';
import { sliced, unitRows } from './reference/slice.ts';

test('a part along the first axis; its gradient is zero elsewhere, or added to what is there', () =>
  withGpu(async (_, arena) => {
    for (const [first, count] of [
      [0, 1],
      [2, 2],
      [4, 1],
    ]) {
      await checkOp(arena, {
        shapes: [[5, 3, 7]],
        build: (graph, [x]) => slice(graph, 'slice', x, first, count),
        reference: ([x]) => sliced(x, 21 * first, 21 * count),
        tolerance: 1e-6,
      });
    }
  }));

test('rows of unit length', () =>
  withGpu(async (gpu, arena) => {
    const [rows, width] = [9, 37];
    const values = uniform(rows * width, 3, -2, 2);
    for (const target of targetsOf(gpu)) {
      const y = arena.buffer('y', values.byteLength);
      const x = arena.upload('x', values, 'test');
      const { bound, groups } = await dispatchUnitRows({ arena, target }, { rows, width }, { x, y });
      gpu.run('test', (recorder) => recorder.run(bound, groups));
      near(await gpu.readFloats(y, 'test'), unitRows(values, width), 1e-6, target);
    }
  }));

test.run();
