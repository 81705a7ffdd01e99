import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Gpu, Tap } from '../wgsl/core/index.ts';
import { withGpu } from './helpers/gpu.ts';

/** Waits for what was mapped to be seen: mappings are told after the queue's own promise. */
async function seenBy(gpu: Gpu, done: () => boolean): Promise<void> {
  await gpu.settle();
  for (let i = 0; i < 40 && !done(); i++) await new Promise((resolve) => setTimeout(resolve, 5));
}

const metricsRow = (gpu: Gpu) =>
  gpu.ledger
    .rows()
    .find(
      ({ stage, purpose, direction }) => stage === 'tap' && purpose === 'metrics' && direction === 'down',
    );

test('a sample is the buffer as it was at that point, is skipped when no slot is free, and counts as metrics', () =>
  withGpu(async (gpu, arena) => {
    const { stage } = gpu.ledger;
    gpu.ledger.stage = 'tap';
    const tap = new Tap(gpu, 'test', 8, 2);
    const source = arena.upload('source', new Uint32Array([1, 2, 3]), 'test');
    const other = arena.upload('other', new Uint32Array([7, 8, 9]), 'test');
    const seen: number[][] = [];
    const look = (data: ArrayBuffer) => void seen.push([...new Uint32Array(data)]);
    gpu.run('test', (recorder) => {
      tap.record(recorder, source, look);
      recorder.copy(other, source, 12);
      tap.record(recorder, source, look);
      tap.record(recorder, source, look); // both slots are on their way
    });
    assert.is(metricsRow(gpu), undefined, 'nothing crosses before it is submitted');
    tap.submitted();
    assert.equal(seen, [], 'nothing is waited for');
    await seenBy(gpu, () => seen.length >= 2);
    assert.equal(seen, [
      [1, 2],
      [7, 8],
    ]);
    assert.equal(metricsRow(gpu), {
      stage: 'tap',
      purpose: 'metrics',
      direction: 'down',
      bytes: 16,
      transfers: 2,
      largest: 8,
    });

    gpu.run('test', (recorder) => tap.record(recorder, other, look));
    tap.submitted();
    await seenBy(gpu, () => seen.length >= 3);
    assert.equal(seen[2], [7, 8], 'slots are free again');
    assert.is(metricsRow(gpu)!.bytes, 24);
    tap.destroy();
    gpu.ledger.stage = stage;
  }));

test('a tap that is destroyed meanwhile shows nothing more and fails nothing', () =>
  withGpu(async (gpu, arena) => {
    const tap = new Tap(gpu, 'test', 4);
    const source = arena.upload('source', new Uint32Array([5]), 'test');
    let calls = 0;
    gpu.run('test', (recorder) => tap.record(recorder, source, () => calls++));
    tap.submitted();
    tap.destroy();
    await seenBy(gpu, () => calls > 0);
    assert.is(calls, 0);
    gpu.check();
  }));

test.run();
