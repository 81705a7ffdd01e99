import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { PlaceRows } from '../wgsl/splat/densify/place-rows.ts';
import { withGpu } from './helpers/gpu.ts';
import { mixed } from './helpers/numbers.ts';
import { placeRows } from './reference/place-rows.ts';
import { scan } from './reference/scan.ts';

const CAPACITY = 1300;

for (const [name, count, mark] of [
  ['some', 1300, (word: number) => (word % 3) & 1],
  ['fewer entries than the buffer holds', 1001, (word: number) => word & 1],
  ['all', 1300, () => 1],
  ['none', 1300, () => 0],
] as const) {
  test(`lists the marked entries in their order: ${name}`, () =>
    withGpu(async (gpu, arena) => {
      const marks = mixed(count, 5).map(mark);
      const { before, total } = scan(marks);
      const places = new Uint32Array(CAPACITY).fill(7);
      places.set(before);
      const origins = arena.upload('origins', new Uint32Array(CAPACITY).fill(99999), 'test');
      const place = await PlaceRows.create(gpu, {
        scanTotals: arena.upload('words', new Uint32Array([count, total]), 'test'),
        places: arena.upload('places', places, 'test'),
        origins,
      });
      gpu.run('test', (recorder) => place.record(recorder, CAPACITY));
      const found = Array.from(await gpu.readWords(origins, 'test', CAPACITY));
      assert.equal(found.slice(0, total), placeRows(marks));
      assert.ok(
        found.slice(total).every((word) => word === 99999),
        'nothing is written beyond the total',
      );
    }));
}

test.run();
