import { performance } from 'node:perf_hooks';
import { promisify } from 'node:util';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { defineKernel } from '../wgsl/core/index.ts';
import { withGpu } from './helpers/gpu.ts';

/** Adds for some hundred milliseconds on a CPU. */
const BUSY = defineKernel({
  label: 'test/busy',
  variants: {
    portable: {
      source: new URL(
        `data:text/plain,${encodeURIComponent(`
@group(0) @binding(0) var<storage, read_write> sums: array<u32>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  var sum = sums[id.x];
  for (var i = 0u; i < 200000u; i++) {
    sum = sum * 1664525u + i;
  }
  sums[id.x] = sum;
}`)}`,
      ),
    },
  },
});

test('while a software adapter works, the event loop is idle', () =>
  withGpu(async (gpu, arena) => {
    if (!gpu.adapter.software) return;
    const kernel = await gpu.kernel(BUSY);
    const bound = kernel.bind({ sums: arena.buffer('sums', 4 * 64 * 64) });
    const before = performance.eventLoopUtilization();
    gpu.run('test', (recorder) => recorder.run(bound, 64));
    await gpu.settle();
    const { active, utilization } = performance.eventLoopUtilization(before);
    assert.ok(utilization < 0.5, `${(100 * utilization).toFixed()} % of the time, ${active.toFixed()} ms`);
  }));

test('other callbacks of setImmediate are not delayed, and get their values', () =>
  withGpu(async () => {
    const began = performance.now();
    for (let turn = 0; turn < 500; turn++) await new Promise((resolve) => setImmediate(resolve));
    const took = performance.now() - began;
    assert.ok(took < 250, `500 turns take ${took.toFixed()} ms`);
    assert.is(await new Promise((resolve) => setImmediate(resolve, 'a value')), 'a value');
    assert.is(await promisify(setImmediate)('promised'), 'promised');
  }));

test.run();
