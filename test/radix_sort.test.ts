import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { digitWidths, RadixSort } from '../wgsl/sort/radix_sort.ts';
import { withGpu } from './helpers/gpu.ts';
import { mixed } from './helpers/numbers.ts';
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
  { capacity: 120_000, count: 100_000, bits: 16 },
  { capacity: 30_000, count: 30_000, bits: 32, distinct: 37 },
  { capacity: 5000, count: 5000, bits: 8, distinct: 1 },
  { capacity: 5000, count: 4096, bits: 1 },
  { capacity: 5000, count: 3000, bits: 11, identity: true },
  { capacity: 5000, count: 5000, bits: 5, identity: true },
  { capacity: 700, count: 5000, bits: 9 }, // clamped
];
// Chunks longer than the least, of uneven lengths.
const LONG: Record<Variant, Case> = {
  blocks: { capacity: 1_060_000, count: 1_055_555, bits: 5, identity: true },
  serial: { capacity: 150_000, count: 141_111, bits: 7 },
};

for (const variant of ['blocks', 'serial'] as const) {
  for (const sorted of [...CASES, LONG[variant]]) {
    test(`radix sort, ${variant}: ${describe(sorted)}`, () => check(sorted, variant));
  }
}

type Variant = 'blocks' | 'serial';

function describe({ capacity, count, bits, distinct, identity }: Case): string {
  const keys = `${bits} bits${distinct ? `, ${distinct} distinct` : ''}`;
  return `${count} of ${capacity}, ${keys}${identity ? ', identity values' : ''}`;
}

function check({ capacity, count, bits, distinct, identity = false }: Case, variant: Variant): Promise<void> {
  return withGpu(async (gpu, arena) => {
    // Without `distinct`, bits above `bits` are set too: the sort must not look at them.
    const keys = mixed(capacity, bits).map((word) => (distinct ? word % distinct : word));
    const values = mixed(capacity, 99);
    const sort = await RadixSort.create(gpu, arena, {
      label: 'sort',
      capacity,
      keys: arena.upload('keys', keys, 'test'),
      values: identity ? undefined : arena.upload('values', values, 'test'),
      identityValues: identity,
      count: arena.upload('counters', new Uint32Array([0, 0, count]), 'test'),
      countWord: 2,
      bits,
      variant,
    });
    gpu.run('test', (recorder) => sort.record(recorder));
    const order = stableOrder(keys.subarray(0, Math.min(count, capacity)), bits);
    const sortedKeys = await gpu.readWords(sort.sortedKeys, 'test', capacity);
    const sortedValues = await gpu.readWords(sort.sortedValues, 'test', capacity);
    assert.ok(
      order.every((from, to) => sortedKeys[to] === keys[from]),
      'keys in order',
    );
    assert.ok(
      order.every((from, to) => sortedValues[to] === (identity ? from : values[from])),
      'values follow, ties stable',
    );
  });
}

test('digit widths share the bits over the fewest passes', () => {
  assert.equal(digitWidths(1), [1]);
  assert.equal(digitWidths(8), [8]);
  assert.equal(digitWidths(11), [5, 6]);
  assert.equal(digitWidths(17), [5, 6, 6]);
  assert.equal(digitWidths(32), [8, 8, 8, 8]);
});

test.run();
