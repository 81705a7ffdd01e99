import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { pcg4d } from '../wgsl/core/index.ts';
import { digitWidths, RadixSort } from '../wgsl/sort/radix_sort.ts';
import { withGpu } from './helpers/gpu.ts';
import { stableOrder } from './reference/radix_sort.ts';

interface Case {
  capacity: number;
  count: number;
  bits: number;
  /** Number of distinct keys; all of 2^bits (and garbage above) when absent. */
  distinct?: number;
  identity?: boolean;
}

const CASES: Case[] = [
  ...[0, 1, 255, 256, 257, 1025].map((count) => ({ capacity: 1500, count, bits: 32 })),
  { capacity: 1, count: 1, bits: 8 },
  { capacity: 120_000, count: 100_000, bits: 32 },
  { capacity: 100_000, count: 100_000, bits: 16, distinct: 37 },
  { capacity: 5000, count: 5000, bits: 8, distinct: 1 },
  { capacity: 5000, count: 4096, bits: 1 },
  { capacity: 5000, count: 4999, bits: 8 },
  { capacity: 5000, count: 3000, bits: 11, identity: true },
  { capacity: 5000, count: 5000, bits: 5, identity: true },
  { capacity: 1_100_000, count: 1_060_000, bits: 12, identity: true }, // chunks longer than the least
  { capacity: 700, count: 5000, bits: 9 }, // clamped
];

for (const { capacity, count, bits, distinct, identity = false } of CASES) {
  const what = `${count} of ${capacity}, ${bits} bits${distinct ? `, ${distinct} distinct` : ''}`;
  test(`radix sort ${what}${identity ? ', identity values' : ''}`, () =>
    withGpu(async (gpu, arena) => {
      // Without `distinct`, bits above `bits` are set too: the sort must not look at them.
      const keys = Uint32Array.from({ length: capacity }, (_, i) => {
        const word = pcg4d(i, 3, bits, count)[0];
        return distinct ? word % distinct : word;
      });
      const values = Uint32Array.from({ length: capacity }, (_, i) => pcg4d(i, 4, bits, count)[0]);
      const sort = await RadixSort.create(gpu, arena, {
        label: 'sort',
        capacity,
        keys: arena.upload('keys', keys, 'test'),
        values: identity ? undefined : arena.upload('values', values, 'test'),
        identityValues: identity,
        count: arena.upload('counters', new Uint32Array([0, 0, count]), 'test'),
        countWord: 2,
        bits,
      });
      gpu.run('test', (recorder) => sort.record(recorder));
      const length = Math.min(count, capacity);
      const order = stableOrder(keys.subarray(0, length), bits);
      const sortedKeys = await gpu.readWords(sort.sortedKeys, 'test', capacity);
      const sortedValues = await gpu.readWords(sort.sortedValues, 'test', capacity);
      assert.ok(
        same(sortedKeys, order, (i) => keys[i]),
        'keys in order',
      );
      assert.ok(
        same(sortedValues, order, (i) => (identity ? i : values[i])),
        'values follow, ties stable',
      );
    }));
}

test('digit widths share the bits over the fewest passes', () => {
  assert.equal(digitWidths(1), [1]);
  assert.equal(digitWidths(8), [8]);
  assert.equal(digitWidths(11), [5, 6]);
  assert.equal(digitWidths(17), [5, 6, 6]);
  assert.equal(digitWidths(32), [8, 8, 8, 8]);
});

function same(sorted: Uint32Array, order: number[], at: (i: number) => number): boolean {
  return order.every((from, to) => sorted[to] === at(from));
}

test.run();
