import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { gaussiansOf, growState, setCount } from '../stages/optimizer/state.ts';
import { InputError } from '../wgsl/core/index.ts';
import { rowLimit } from '../wgsl/splat/row-capacity.ts';
import { withGpu } from './helpers/gpu.ts';
import { hostRows, readMoments, readRows, stateOf } from './helpers/state.ts';

const COUNT = 100;

test('holds a copy of the Gaussians', () =>
  withGpu(async (gpu, arena) => {
    const rows = hostRows(COUNT, 2);
    const state = stateOf(arena, rows, 2, 130);
    assert.is(state.capacity, 130);
    assert.is(state.parameters.sh.size, 16 * Math.ceil((27 * 130) / 4));
    assert.is(state.screen.size, 8 * 130);
    assert.equal(await readRows(state), rows);
    assert.is((await gpu.readWords(state.gaussianCount, 'test', 1))[0], COUNT);
    const { means, count } = gaussiansOf(state);
    assert.is(means, state.parameters.means);
    assert.is(count, COUNT);
  }));

test('growing keeps rows and moments, enlarges the buffers by half, and is reported', () =>
  withGpu(async (gpu, arena) => {
    const rows = hostRows(COUNT, 1);
    const state = stateOf(arena, rows, 1);
    const before = { ...state.parameters };
    const live = gpu.liveBytes;
    growState(state, 101);
    assert.is(state.capacity, 150);
    assert.is(state.version, 1);
    assert.is.not(state.parameters.means, before.means);
    assert.equal(await readRows(state), rows);
    for (const which of ['m', 'v'] as const) {
      const moments = await readMoments(state, which);
      assert.ok(Object.values(moments).every((values) => values.every((value) => value === 1)));
    }
    // Three buffers of 23 floats a row and the screen's 2; the old ones are freed. Buffers end on 16 bytes at least.
    assert.ok(Math.abs(gpu.liveBytes - live - 50 * 4 * (3 * 23 + 2)) < 100);
    growState(state, 120);
    assert.is(state.version, 1, 'what fits replaces nothing');
    growState(state, 160, 170);
    assert.is(state.capacity, 170, 'never more than the limit');
    growState(state, 1000, 170);
    assert.is(state.capacity, 1000, 'but what is asked for');
  }));

test('new rows are zero', () =>
  withGpu(async (gpu, arena) => {
    const state = stateOf(arena, hostRows(4, 0), 0);
    growState(state, 6);
    setCount(state, 6);
    assert.equal([...(await readRows(state)).means.slice(12)], [0, 0, 0, 0, 0, 0]);
    assert.is((await gpu.readWords(state.gaussianCount, 'test', 1))[0], 6);
    assert.throws(() => setCount(state, 7), /7 Gaussians do not fit in 6 rows/);
  }));

test('refuses states that exceed the adapter’s limits, before it allocates', () =>
  withGpu(async (gpu, arena) => {
    const state = stateOf(arena, hostRows(4, 3), 3);
    const limit = rowLimit(gpu, 3);
    const live = gpu.liveBytes;
    assert.throws(
      () => growState(state, limit + 1),
      (error: Error) =>
        error instanceof InputError && new RegExp(`holds ${limit} .*train\\.cap`).test(error.message),
    );
    assert.is(gpu.liveBytes, live);
    assert.is(state.version, 0);
  }));

test.run();
