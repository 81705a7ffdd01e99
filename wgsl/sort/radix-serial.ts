import { type PassVariant, passNumbers } from './radix-pass.ts';

/** One vector of a CPU; its threads have no work in common. */
const THREADS = 8;
/** A thread a digit. */
const SCAN_THREADS = 256;
const MAX_WORKERS = 256;
/** Clearing and scanning a worker's 256 counts should cost less than walking its chunk. */
const CHUNK_MIN = 512;

/**
 * For CPUs behind a software driver: a chunk belongs to one thread, which walks it. Such a driver pays for every barrier
 * and atomic of every thread: on lavapipe this is 15 times as fast as the variant for GPUs.
 */
export const SERIAL: PassVariant = {
  maxDigitBits: 8,
  words: (workers) => 256 * workers,
  workers: (capacity) => Math.min(MAX_WORKERS, Math.ceil(capacity / CHUNK_MIN)),

  async steps(context, pass) {
    const { gpu, histogram, workers } = context;
    const { from, to, counts, kept } = pass;
    const constants = { THREADS, TILE: 1, CHUNK_MIN };
    const [counting, scan, scatter] = await Promise.all([
      gpu.kernel({
        label: 'sort/radix-serial-histogram',
        source: new URL('./radix-serial-histogram.wgsl', import.meta.url),
        constants,
      }),
      gpu.kernel({
        label: 'sort/radix-serial-scan',
        source: new URL('./radix-serial-scan.wgsl', import.meta.url),
        constants: { ...constants, THREADS: SCAN_THREADS },
      }),
      gpu.kernel({
        label: 'sort/radix-serial-scatter',
        source: new URL('./radix-serial-scatter.wgsl', import.meta.url),
        constants,
      }),
    ]);
    const groups = Math.ceil(workers / THREADS);
    const shared = { radix: passNumbers(counting, context, pass), counts, histogram };
    const moved = { keysIn: from.keys, valuesIn: from.values, keysOut: to.keys, valuesOut: to.values };
    return [
      { bound: counting.bind({ ...shared, keys: from.keys }), groups },
      { bound: scan.bind({ ...shared, kept }), groups: 1 },
      { bound: scatter.bind({ ...shared, ...moved }), groups },
    ];
  },
};
