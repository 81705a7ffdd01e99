import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Gpu, GpuError } from '../wgsl/core/index.ts';
import { MAX_CAPACITY } from '../wgsl/sort/radix-sort.ts';
import { grownIntersections, guessedIntersections } from '../wgsl/splat/intersection-capacity.ts';

const gpuWith = (maxStorageBufferBindingSize: number) =>
  ({ device: { limits: { maxStorageBufferBindingSize, maxBufferSize: 2 ** 32 } } }) as Gpu;
const small = gpuWith(36 * 100_000);
const size = { width: 960, height: 540 };

test('an initial guess is never an error: it stops at the adapter’s limit', () => {
  assert.is(guessedIntersections(small, 10, 36), 1 << 16);
  assert.is(guessedIntersections(small, 80_000, 36), 80_000);
  assert.is(guessedIntersections(small, 6_000_000, 36), 100_000);
  assert.is(guessedIntersections(gpuWith(2 ** 40), 2 ** 30, 4), MAX_CAPACITY);
});

test('the capacity for a view grows by half, up to the limit, and an error refuses more', () => {
  assert.is(grownIntersections(small, 40_000, 36, size), 50_000);
  assert.is(grownIntersections(small, 90_000, 36, size), 100_000);
  assert.throws(
    () => grownIntersections(small, 100_001, 36, size),
    (error: Error) =>
      error instanceof GpuError && /960×540.*100001.*100000.*load\.downscale/.test(error.message),
  );
});

test.run();
