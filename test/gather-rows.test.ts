import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Arena, Gpu } from '../wgsl/core/index.ts';
import { GatherRows } from '../wgsl/splat/densify/gather-rows.ts';
import { withGpu, withWindows } from './helpers/gpu.ts';
import { mixed, uniform } from './helpers/numbers.ts';
import { gatherRows } from './reference/gather-rows.ts';

const COUNT = 600;
const ROWS = 930;
/** The minimum number of rows of a window: 3 windows of old rows and 4 of new ones. */
const WINDOW_ROWS = 256;

for (const width of [1, 3, 4, 48]) {
  for (const fresh of [false, true]) {
    const body = async (gpu: Gpu, arena: Arena) => {
      const origins = mixed(ROWS, width).map((word) => word % (4 * COUNT));
      const before = uniform(width * ROWS, 6, -1, 1);
      const values = arena.upload('values', before, 'test');
      const gather = await GatherRows.create(arena, width, COUNT, ROWS);
      const buffers = {
        origins: arena.upload('origins', origins, 'test'),
        values,
        scratch: arena.buffer('scratch', 4 * width * ROWS),
      };
      gpu.run('test', (recorder) => gather.record(recorder, buffers, { fresh }));
      const expected = gatherRows(before, width, COUNT, origins, fresh);
      assert.equal(Array.from(await gpu.readFloats(values, 'test', width * ROWS)), expected);
    };
    const name = `gathers rows of ${width}${fresh ? ', copies start at zero' : ''}`;
    test(name, () => withGpu(body));
    test(`${name}, from windows into windows`, () => withWindows(4 * width * WINDOW_ROWS, body));
  }
}

test.run();
