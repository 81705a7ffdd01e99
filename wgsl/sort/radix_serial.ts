import type { PassVariant } from './radix_pass.ts';

/** One vector of a CPU; a group of them has no work in common. */
const THREADS = 8;
const MAX_WALKERS = 256;
/** Clearing and scanning a walker's 256 counts should cost less than walking its chunk. */
const CHUNK_MIN = 512;
/** `workgroup_scan` wants whole rows. */
const MIN_SCAN_THREADS = 16;

/**
 * For CPUs behind a software driver: a chunk belongs to one thread, which walks it. Such a driver pays for every barrier
 * and atomic of every thread: on lavapipe this is 15 times as fast as the variant for GPUs.
 */
export const SERIAL: PassVariant = {
  chunks: (capacity) => Math.min(MAX_WALKERS, Math.ceil(capacity / CHUNK_MIN)),

  async steps({ gpu, capacity, count, countWord, histogram }, { shift, width, from, to, identityValues }) {
    const walkers = SERIAL.chunks(capacity);
    const digits = 2 ** width;
    const shape = {
      CAPACITY: capacity,
      COUNT_WORD: countWord,
      GROUPS: walkers,
      CHUNK_MIN,
      TILE: 1,
      DIGITS: digits,
    };
    const [counting, scan, scatter] = await Promise.all([
      gpu.kernel({
        label: 'sort/radix_serial_histogram',
        source: new URL('./radix_serial_histogram.wgsl', import.meta.url),
        constants: { ...shape, THREADS, SHIFT: shift },
      }),
      gpu.kernel({
        label: 'sort/radix_serial_scan',
        source: new URL('./radix_serial_scan.wgsl', import.meta.url),
        constants: { ...shape, THREADS: Math.max(MIN_SCAN_THREADS, digits) },
      }),
      gpu.kernel({
        label: 'sort/radix_serial_scatter',
        source: new URL('./radix_serial_scatter.wgsl', import.meta.url),
        constants: { ...shape, THREADS, SHIFT: shift, IDENTITY: identityValues },
      }),
    ]);
    const groups = Math.ceil(walkers / THREADS);
    const moved = { keys_in: from.keys, values_in: from.values, keys_out: to.keys, values_out: to.values };
    return [
      { bound: counting.bind({ counts: count, keys: from.keys, histogram }), groups },
      { bound: scan.bind({ counts: count, histogram }), groups: 1 },
      { bound: scatter.bind({ counts: count, histogram, ...moved }), groups },
    ];
  },
};
