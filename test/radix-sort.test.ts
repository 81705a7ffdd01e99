import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { KERNEL_TARGETS, type KernelTarget } from '../wgsl/core/index.ts';
import { digitWidths, RadixSort } from '../wgsl/sort/radix-sort.ts';
import { testGpu, withGpu } from './helpers/gpu.ts';
import { mixed } from './helpers/numbers.ts';
import { testUnless } from './helpers/skip.ts';
import { stableOrder } from './reference/radix-sort.ts';

const gpu = await testGpu();

interface Case {
  capacity: number;
  count: number;
  bits: number;
  /** Number of distinct keys; all of 2^bits (and garbage above) when absent. */
  distinct?: number;
  identity?: boolean;
  /** Every third key is 0, and those are left out. */
  sparse?: boolean;
}

const CASES: Case[] = [
  ...[0, 1, 255, 256, 257, 1025].map((count) => ({ capacity: 1500, count, bits: 32 })),
  { capacity: 1, count: 1, bits: 8 },
  { capacity: 120_000, count: 100_000, bits: 16 },
  { capacity: 30_000, count: 30_000, bits: 32, distinct: 37 },
  { capacity: 5000, count: 5000, bits: 8, distinct: 1 },
  { capacity: 5000, count: 4096, bits: 1 },
  { capacity: 5000, count: 3000, bits: 13, identity: true },
  { capacity: 5000, count: 5000, bits: 7, identity: true },
  { capacity: 700, count: 5000, bits: 13 }, // clamped
  ...[0, 1, 2, 1023, 1024, 1026, 30_000].map((count) => ({
    capacity: 30_000,
    count,
    bits: 29,
    sparse: true,
  })),
  { capacity: 40_000, count: 35_001, bits: 13, sparse: true, identity: true },
  { capacity: 9000, count: 9000, bits: 13, sparse: true, distinct: 1 }, // all are left out
];
// Chunks longer than the least, of uneven lengths.
const LONG: Record<KernelTarget, Case> = {
  portable: { capacity: 1_060_000, count: 1_055_555, bits: 7, identity: true },
  subgroup: { capacity: 1_060_000, count: 1_055_555, bits: 13, identity: true },
  cpu: { capacity: 150_000, count: 141_111, bits: 7 },
};

/** Around the chunk of a workgroup, and the pairs that it takes at once, for all sizes of subgroups. */
const EDGES = [512, 1024, 2048, 4096].flatMap((size) => [size - 1, size, size + 1]);

for (const target of KERNEL_TARGETS) {
  for (const sorted of [...CASES, LONG[target]]) {
    testUnless(test, without(target), `radix sort, ${target}: ${describe(sorted)}`, () =>
      check(sorted, target),
    );
  }
}

for (const count of EDGES) {
  const around = { capacity: count, count, bits: 13, distinct: 3001, identity: true };
  testUnless(test, without('subgroup'), `radix sort, subgroup: ${describe(around)}`, () =>
    check(around, 'subgroup'),
  );
}

/** Why the kernels of a target cannot run here. */
function without(target: KernelTarget): string | undefined {
  // The cpu variants of the sort use no subgroups.
  if (target !== 'subgroup' || gpu.supports(target)) return undefined;
  return 'this adapter has no subgroups of one size from 4 to 32';
}

function describe({ capacity, count, bits, distinct, identity, sparse }: Case): string {
  const keys = `${bits} bits${distinct ? `, ${distinct} distinct` : ''}${sparse ? ', without zeros' : ''}`;
  return `${count} of ${capacity}, ${keys}${identity ? ', identity values' : ''}`;
}

function check(
  { capacity, count, bits, distinct, identity = false, sparse = false }: Case,
  target: KernelTarget,
): Promise<void> {
  return withGpu(async (gpu, arena) => {
    // Without `distinct`, bits above `bits` are set too: the sort must ignore them.
    const keys = mixed(capacity, bits).map((word, i) =>
      sparse && i % 3 === 0 ? 0 : distinct ? word % distinct : word,
    );
    const values = mixed(capacity, 99);
    const nonzeroCount = arena.upload('nonzeroCount', new Uint32Array([7, 7, 7]), 'test');
    const sort = await RadixSort.create(gpu, arena, {
      label: 'sort',
      capacity,
      keys: arena.upload('keys', keys, 'test'),
      values: identity ? undefined : arena.upload('values', values, 'test'),
      identityValues: identity,
      count: arena.upload('counters', new Uint32Array([0, 0, count]), 'test'),
      countWord: 2,
      ...(sparse && { nonzeroCount, nonzeroWord: 1 }),
      bits,
      target,
    });
    gpu.run('test', (recorder) => sort.record(recorder));
    const given = keys.subarray(0, Math.min(count, capacity));
    const order = stableOrder(given, bits).filter((from) => !sparse || given[from] !== 0);
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
    assert.equal([...(await gpu.readWords(nonzeroCount, 'test', 3))], [7, sparse ? order.length : 7, 7]);
  });
}

test('digit widths divide the bits evenly over the fewest passes', () => {
  assert.equal(digitWidths(1), [1]);
  assert.equal(digitWidths(8), [8]);
  assert.equal(digitWidths(11), [5, 6]);
  assert.equal(digitWidths(17), [5, 6, 6]);
  assert.equal(digitWidths(32), [8, 8, 8, 8]);
  assert.equal(digitWidths(29, 10), [9, 10, 10]);
});

test.run();
