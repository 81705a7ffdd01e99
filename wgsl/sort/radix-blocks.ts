import { type PassVariant, passNumbers } from './radix-pass.ts';

const THREADS = 256;
const SCAN_THREADS = 64;
/** Fills a large GPU: 132 multiprocessors × 8 workgroups of 256 threads. */
const MAX_WORKERS = 1024;
/** Below this many pairs a workgroup's own set-up costs more than it spares. */
const CHUNK_MIN = 1024;

/** For GPUs: a chunk belongs to a workgroup of 256 threads, which ranks 256 keys at a time in its shared memory. */
export const BLOCKS: PassVariant = {
  maxDigitBits: 8,
  words: (workers) => 256 * workers,
  workers: (capacity) => Math.min(MAX_WORKERS, Math.ceil(capacity / CHUNK_MIN)),

  async steps(context, pass) {
    const { gpu, arena, label, histogram, workers } = context;
    const { from, to, counts, kept } = pass;
    const totals = arena.buffer(`${label}/totals_bit${pass.shift}`, 4 * pass.digits);
    const constants = { THREADS, TILE: THREADS, CHUNK_MIN };
    const [counting, scan, scatter] = await Promise.all([
      gpu.kernel({
        label: 'sort/radix-histogram',
        source: new URL('./radix-histogram.wgsl', import.meta.url),
        constants,
      }),
      gpu.kernel({
        label: 'sort/radix-scan',
        source: new URL('./radix-scan.wgsl', import.meta.url),
        constants: { ...constants, THREADS: SCAN_THREADS },
      }),
      gpu.kernel({
        label: 'sort/radix-scatter',
        source: new URL('./radix-scatter.wgsl', import.meta.url),
        constants,
      }),
    ]);
    const shared = { radix: passNumbers(counting, context, pass), counts, histogram };
    const moved = {
      keysIn: from.keys,
      valuesIn: from.values,
      keysOut: to.keys,
      valuesOut: to.values,
      kept,
    };
    return [
      { bound: counting.bind({ ...shared, keys: from.keys }), groups: workers },
      { bound: scan.bind({ ...shared, totals }), groups: pass.digits },
      { bound: scatter.bind({ ...shared, totals, ...moved }), groups: workers },
    ];
  },
};
