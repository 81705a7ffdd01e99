import type { PassVariant } from './radix_pass.ts';

const THREADS = 256;
const SCAN_THREADS = 64;
/** Fills a large GPU: 132 multiprocessors × 8 workgroups of 256 threads. */
const MAX_GROUPS = 1024;
/** Below this many pairs a workgroup's own set-up costs more than it spares. */
const CHUNK_MIN = 1024;

/** For GPUs: a chunk belongs to a workgroup of 256 threads, which ranks 256 keys at a time in its shared memory. */
export const BLOCKS: PassVariant = {
  chunks: (capacity) => Math.min(MAX_GROUPS, Math.ceil(capacity / CHUNK_MIN)),

  async steps(
    { gpu, capacity, count, countWord, histogram, totals },
    { shift, width, from, to, identityValues },
  ) {
    const groups = BLOCKS.chunks(capacity);
    const digits = 2 ** width;
    const shape = {
      CAPACITY: capacity,
      COUNT_WORD: countWord,
      GROUPS: groups,
      CHUNK_MIN,
      TILE: THREADS,
      DIGITS: digits,
    };
    const [counting, scan, scatter] = await Promise.all([
      gpu.kernel({
        label: 'sort/radix_histogram',
        source: new URL('./radix_histogram.wgsl', import.meta.url),
        constants: { ...shape, THREADS, SHIFT: shift },
      }),
      gpu.kernel({
        label: 'sort/radix_scan',
        source: new URL('./radix_scan.wgsl', import.meta.url),
        constants: { ...shape, THREADS: SCAN_THREADS },
      }),
      gpu.kernel({
        label: 'sort/radix_scatter',
        source: new URL('./radix_scatter.wgsl', import.meta.url),
        constants: { ...shape, THREADS, SHIFT: shift, IDENTITY: identityValues },
      }),
    ]);
    const moved = { keys_in: from.keys, values_in: from.values, keys_out: to.keys, values_out: to.values };
    return [
      { bound: counting.bind({ counts: count, keys: from.keys, histogram }), groups },
      { bound: scan.bind({ counts: count, histogram, totals }), groups: digits },
      { bound: scatter.bind({ counts: count, histogram, totals, ...moved }), groups },
    ];
  },
};
