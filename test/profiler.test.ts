import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Profiler, SubmissionClock } from '../wgsl/core/index.ts';
import { Scan } from '../wgsl/sort/scan.ts';
import { testGpu, withGpu } from './helpers/gpu.ts';
import { testUnless } from './helpers/skip.ts';

const noTimestamps = (await testGpu()).has('timestamp-query')
  ? undefined
  : 'this adapter offers no timestamp queries';

testUnless(test, noTimestamps, 'spans are totalled by kernel, and their readback is on the ledger', () =>
  withGpu(async (gpu, arena) => {
    const words = arena.upload('words', new Uint32Array([3, 0]), 'test');
    const scan = await Scan.create(gpu, arena, {
      label: 'scan',
      capacity: 3,
      values: arena.upload('values', new Uint32Array([1, 2, 3]), 'test'),
      count: words,
      countWord: 0,
      total: words,
      totalWord: 1,
    });
    const suffix = gpu.target === 'cpu' ? '-cpu' : '';
    const { stage } = gpu.ledger;
    gpu.ledger.stage = 'profiler';
    const profiler = new Profiler(gpu.device, 8);
    gpu.profiler = profiler;
    gpu.run('test', (recorder) => scan.record(recorder));
    await profiler.collect();
    await profiler.collect(); // nothing was recorded in between
    gpu.profiler = undefined;
    assert.equal(
      profiler
        .totals()
        .map(({ label, calls }) => [label, calls])
        .sort(),
      [
        [`sort/scan${suffix}`, 1],
        [`sort/scan-reduce${suffix}`, 1],
      ].sort(),
    );
    const rows = gpu.ledger.rows().filter((row) => row.stage === 'profiler');
    assert.equal(rows, [
      { stage: 'profiler', purpose: 'metrics', direction: 'down', bytes: 32, transfers: 1, largest: 32 },
    ]);
    gpu.ledger.stage = stage;
    profiler.destroy();
  }),
);

testUnless(test, noTimestamps, 'the clock has begin and end of each submission, in their order', () =>
  withGpu(async (gpu, arena) => {
    const bytes = 2 ** 22;
    const [a, b] = [arena.buffer('a', bytes), arena.buffer('b', bytes)];
    const clock = new SubmissionClock(gpu.device);
    const copies = (count: number) =>
      gpu.run('test', (recorder) => {
        for (let i = 0; i < count; i++) recorder.copy(a, b);
      });
    copies(1);
    gpu.clock = clock;
    for (const count of [1, 100, 1]) copies(count);
    gpu.clock = undefined;
    copies(1);
    const times = await clock.collect();
    assert.is(times.length, 3);
    assert.is(times[0].beginMs, 0);
    let before = 0;
    for (const { beginMs, endMs } of times) {
      assert.ok(beginMs >= before && endMs > beginMs, JSON.stringify(times));
      before = endMs;
    }
    const [short, long] = times.map(({ beginMs, endMs }) => endMs - beginMs);
    assert.ok(long > 2 * short, `100 copies take ${long} ms, and one ${short} ms`);
    assert.equal(await clock.collect(), [], 'they are given once');
    clock.destroy();
  }),
);

test.run();
