import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { transposedCopy } from '../wgsl/nn/transpose.ts';
import { withGpu } from './helpers/gpu.ts';
import { uniform } from './helpers/numbers.ts';
import { targetsOf } from './helpers/vjp.ts';
import { transpose } from './reference/transpose.ts';

test('matrices of any shape are transposed exactly', () =>
  withGpu(async (gpu, arena) => {
    for (const target of targetsOf(gpu)) {
      for (const [rows, columns] of [
        [1, 7],
        [7, 1],
        [33, 20],
        [65, 130],
      ] as const) {
        const values = uniform(rows * columns, 3, -1, 1);
        const matrix = arena.upload('matrix', values, 'test');
        const copy = await transposedCopy({ arena, target }, 'matrix', matrix, rows, columns);
        const found = await gpu.readFloats(copy, 'test', values.length);
        assert.equal(
          Float64Array.from(found),
          transpose(values, rows, columns),
          `${target} ${rows} × ${columns}`,
        );
      }
    }
  }));

test.run();
