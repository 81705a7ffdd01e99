import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ScreenStatistics } from '../wgsl/splat/densify/screen-statistics.ts';
import { assertClose } from './helpers/close.ts';
import { withGpu } from './helpers/gpu.ts';
import { uniform } from './helpers/numbers.ts';
import { screenStatistics } from './reference/screen-statistics.ts';

const COUNT = 700;
const ROWS = 900;

/** Every third Gaussian is out of sight; beyond the count lies what must not be read. */
function view(seed: number): Float32Array {
  return uniform(2 * ROWS, seed).map((value, i) => (Math.floor(i / 2) % 3 === seed % 3 ? 0 : value));
}

test('sums gradients, counts views and keeps the largest radius', () =>
  withGpu(async (gpu, arena) => {
    const statistics = arena.buffer('statistics', 12 * ROWS);
    const gaussianCount = arena.upload('gaussianCount', new Uint32Array([COUNT]), 'test');
    const collect = await ScreenStatistics.create(gpu);
    let expected: ArrayLike<number> = new Float64Array(3 * COUNT);
    for (const seed of [1, 2, 4]) {
      const screen = arena.upload(`screen${seed}`, view(seed), 'test');
      collect.bind({ gaussianCount, screen, statistics });
      gpu.run('test', (recorder) => collect.record(recorder, ROWS));
      expected = screenStatistics(expected, view(seed).subarray(0, 2 * COUNT));
    }
    const found = await gpu.readFloats(statistics, 'test', 3 * ROWS);
    assertClose(found.subarray(0, 3 * COUNT), expected, { relative: 1e-6 });
    assert.ok(
      found.subarray(3 * COUNT).every((value) => value === 0),
      'rows beyond the count do not change',
    );
  }));

test('a void step, whose count is 0, leaves the statistics unchanged', () =>
  withGpu(async (gpu, arena) => {
    const before = uniform(3 * ROWS, 8);
    const statistics = arena.upload('statistics', before, 'test');
    const collect = await ScreenStatistics.create(gpu);
    const gaussianCount = arena.upload('gaussianCount', new Uint32Array([0]), 'test');
    collect.bind({ gaussianCount, screen: arena.upload('screen', view(1), 'test'), statistics });
    gpu.run('test', (recorder) => collect.record(recorder, ROWS));
    assert.equal(await gpu.readFloats(statistics, 'test', 3 * ROWS), before);
  }));

test('refuses to record before it was bound', () =>
  withGpu(async (gpu) => {
    const collect = await ScreenStatistics.create(gpu);
    assert.throws(() => collect.record(gpu.recorder('test'), 1), /before it was bound/);
  }));

test.run();
