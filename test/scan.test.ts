import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Scan } from '../wgsl/sort/scan.ts';
import { withGpu } from './helpers/gpu.ts';
import { mixed } from './helpers/numbers.ts';
import { scan } from './reference/scan.ts';

const SENTINEL = 0xabcdef;

const CASES: { capacity: number; count: number; below?: number }[] = [
  { capacity: 1, count: 0 },
  { capacity: 1, count: 1 },
  { capacity: 1000, count: 0 },
  { capacity: 1000, count: 255 },
  { capacity: 5000, count: 1023 },
  { capacity: 5000, count: 1024 },
  { capacity: 5000, count: 1025 },
  { capacity: 600_000, count: 40_003 },
  { capacity: 600_000, count: 600_000 }, // more tiles than workgroups
  { capacity: 3000, count: 3000, below: 2 ** 32 }, // too large a total
];

for (const target of ['portable', 'cpu'] as const) {
  for (const { capacity, count, below = 1000 } of CASES) {
    test(`scan, ${target}: ${count} of ${capacity} values below ${below}`, () =>
      withGpu(async (gpu, arena) => {
        const values = mixed(capacity, 7).map((word) => word % below);
        const buffer = arena.upload('values', values, 'test');
        // The count and the total share a buffer, as engines keep their counters.
        const counters = arena.upload('counters', new Uint32Array([SENTINEL, count, SENTINEL, 1]), 'test');
        const engine = await Scan.create(gpu, arena, {
          label: 'scan',
          capacity,
          values: buffer,
          count: counters,
          countWord: 1,
          total: counters,
          totalWord: 3,
          target,
        });
        gpu.run('test', (recorder) => engine.record(recorder));
        const expected = scan(values.subarray(0, count));
        const result = await gpu.readWords(buffer, 'test', capacity);
        // The prefixes of a total that is too large are undefined.
        if (expected.total < 2 ** 32 - 1) assert.equal(result.slice(0, count), expected.before);
        assert.equal(result.slice(count), values.slice(count), 'values beyond the count do not change');
        const after = await gpu.readWords(counters, 'test', 4);
        assert.equal([...after], [SENTINEL, count, SENTINEL, expected.total]);
      }));
  }
}

test('a count beyond the capacity is clamped', () =>
  withGpu(async (gpu, arena) => {
    const values = mixed(300, 8).map((word) => word % 50);
    const buffer = arena.upload('values', values, 'test');
    const counters = arena.upload('counters', new Uint32Array([4_000_000_000, 0]), 'test');
    const options = { values: buffer, count: counters, countWord: 0, total: counters, totalWord: 1 };
    const engine = await Scan.create(gpu, arena, { label: 'scan', capacity: 300, ...options });
    gpu.run('test', (recorder) => engine.record(recorder));
    const { before, total } = scan(values);
    assert.equal(await gpu.readWords(buffer, 'test', 300), before);
    assert.is((await gpu.readWords(counters, 'test', 2))[1], total);
    await assertRejects(
      () => Scan.create(gpu, arena, { label: 'scan', capacity: 2 ** 28 + 1, ...options }),
      /capacity is 1 to 268435456/,
    );
  }));

async function assertRejects(body: () => Promise<unknown>, message: RegExp): Promise<void> {
  try {
    await body();
  } catch (error) {
    assert.match((error as Error).message, message);
    return;
  }
  assert.unreachable('expected an error');
}

test.run();
