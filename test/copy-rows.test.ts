import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Arena, Gpu } from '../wgsl/core/index.ts';
import { CopyRows } from '../wgsl/splat/densify/copy-rows.ts';
import { SOURCES } from '../wgsl/splat/densify/fixed-pass.ts';
import { withGpu, withWindows } from './helpers/gpu.ts';
import { mixed, uniform } from './helpers/numbers.ts';
import { copyRows } from './reference/copy-rows.ts';

const ROWS = 900;
const FIRST = 700;
/** The minimum number of rows of a window: sources lie in two of them, copies in all four. */
const WINDOW_ROWS = 256;
/** Even rows below 400 may be sources; odd rows may be copies. */
const sources = (first: number) =>
  Array.from(mixed(ROWS, 9), (word, row) => (row >= first && row % 2 ? 2 * (word % 200) : null));

for (const width of [1, 3, 48]) {
  for (const [first, forget] of [
    [0, true],
    [FIRST, false],
  ] as const) {
    const body = async (gpu: Gpu, arena: Arena) => {
      const from = sources(first);
      const drawn = new Uint32Array(ROWS);
      for (const source of from) if (source !== null) drawn[source]++;
      const before = uniform(width * ROWS, 1, -1, 1);
      const moments = uniform(width * ROWS, 2, 1, 2);
      const values = arena.upload('values', before, 'test');
      const m = arena.upload('m', moments, 'test');
      const v = arena.upload('v', moments, 'test');
      const copy = await CopyRows.create(
        arena,
        { width, first, rows: ROWS, forget },
        {
          sources: arena.upload(
            'sources',
            Uint32Array.from(from, (row) => row ?? SOURCES.NONE),
            'test',
          ),
          drawn: arena.upload('drawn', drawn, 'test'),
          values,
          m,
          v,
        },
      );
      gpu.run('test', (recorder) => copy.record(recorder));
      const expected = copyRows({ width, sources: from, drawn, forget }, before, moments);
      assert.equal(Array.from(await gpu.readFloats(values, 'test', width * ROWS)), expected.values);
      for (const moment of [m, v]) {
        assert.equal(Array.from(await gpu.readFloats(moment, 'test', width * ROWS)), expected.moments);
      }
    };
    const name = `copies rows of ${width} from ${first}, sources ${forget ? 'forget' : 'keep'} their moments`;
    test(name, () => withGpu(body));
    test(`${name}, across windows`, () => withWindows(4 * width * WINDOW_ROWS, body));
  }
}

test.run();
