import type { Gpu } from '../core/index.ts';
import { type PassVariant, passNumbers } from './radix_pass.ts';

/** Subgroups of a workgroup: with 32 lanes it has the 256 threads that every adapter allows. */
const SUBGROUPS = 8;
/** Sizes that the kernels are written for. */
const SIZES = [4, 8, 16, 32];
/** Two workgroups on each multiprocessor of a large GPU (132). Each reads all others' counts, so more of them cost. */
const MAX_WORKERS = 264;
/** Below this many pairs a workgroup's own set-up costs more than it spares. */
const CHUNK_MIN = 1024;
/** Pairs a thread at a time, where the adapter has the workgroup memory. A software driver compiles long loops for minutes. */
const MAX_ITEMS = 16;
const SOFTWARE_ITEMS = 2;
/** Widest digit: a table of every subgroup's counts lies in workgroup memory, and a run of a digit should be long. */
const MAX_DIGIT_BITS = 8;

/** Bytes of workgroup memory that radix_subgroups_scatter uses. */
function workgroupBytes(threads: number, items: number, digits: number): number {
  return 8 * threads * items + 4 * ((SUBGROUPS * digits) / 2 + 2 * digits + SUBGROUPS);
}

/** Whether the variant can run: subgroups of one known size. */
export function fitsSubgroups(gpu: Gpu): boolean {
  const { subgroupMinSize, subgroupMaxSize } = gpu.adapter;
  return gpu.has('subgroups') && subgroupMinSize === subgroupMaxSize && SIZES.includes(subgroupMaxSize);
}

/**
 * For GPUs with subgroups: two dispatches a pass. Few, long chunks: then each workgroup can sum up the earlier ones' counts
 * itself. It ranks thousands of pairs at a time and puts them in order before it writes them.
 */
export const SUBGROUP: PassVariant = {
  maxDigitBits: MAX_DIGIT_BITS,
  words: (workers) => workers * 2 ** MAX_DIGIT_BITS,
  workers: (capacity) => Math.min(MAX_WORKERS, Math.ceil(capacity / CHUNK_MIN)),

  async steps(context, pass) {
    const { gpu, label, histogram, workers } = context;
    const { from, to, counts, kept, width } = pass;
    if (!fitsSubgroups(gpu)) {
      const { subgroupMinSize, subgroupMaxSize } = gpu.adapter;
      throw new Error(
        `${label}: this sort wants subgroups of one size (${SIZES.join(', ')}), the adapter has ` +
          `${subgroupMinSize} to ${subgroupMaxSize}; use the variant blocks`,
      );
    }
    const subgroup = gpu.adapter.subgroupMaxSize;
    const threads = SUBGROUPS * subgroup;
    const { maxComputeWorkgroupStorageSize: room } = gpu.device.limits;
    let items = gpu.adapter.software ? SOFTWARE_ITEMS : MAX_ITEMS;
    while (items > 1 && workgroupBytes(threads, items, pass.digits) > room) items /= 2;
    const constants = { THREADS: threads, TILE: threads, CHUNK_MIN, WIDTH: width };
    const [counting, scatter] = await Promise.all([
      gpu.kernel({
        label: 'sort/radix_subgroups_count',
        source: new URL('./radix_subgroups_count.wgsl', import.meta.url),
        constants,
      }),
      gpu.kernel({
        label: 'sort/radix_subgroups_scatter',
        source: new URL('./radix_subgroups_scatter.wgsl', import.meta.url),
        constants: { ...constants, SUBGROUP: subgroup, ITEMS: items },
        enables: ['subgroups'],
      }),
    ]);
    const shared = { radix: passNumbers(counting, context, pass), counts, histogram };
    const moved = {
      keys_in: from.keys,
      values_in: from.values,
      keys_out: to.keys,
      values_out: to.values,
      kept,
    };
    return [
      { bound: counting.bind({ ...shared, keys: from.keys }), groups: workers },
      { bound: scatter.bind({ ...shared, ...moved }), groups: workers },
    ];
  },
};
