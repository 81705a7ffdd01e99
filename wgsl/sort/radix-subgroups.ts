import type { Gpu } from '../core/index.ts';
import { type PassVariant, passNumbers } from './radix-pass.ts';

/** Subgroups of a workgroup, where the adapter allows so many threads. */
const MAX_SUBGROUPS = 8;
/** Sizes that the kernels are written for. */
const SIZES = [4, 8, 16, 32];
/** Two workgroups on each multiprocessor of a large GPU (132). Each reads all others' counts, so more of them cost. */
const MAX_WORKERS = 264;
/** Below this many pairs a workgroup's own set-up costs more than it spares. */
const CHUNK_MIN = 1024;
/** Pairs a thread at a time, where the adapter has the workgroup memory. A software driver compiles long loops for minutes. */
const MAX_ITEMS = 8;
const SOFTWARE_ITEMS = 2;
/** Widest digit: a table of every subgroup's counts lies in workgroup memory, and a run of a digit should be long. */
const MAX_DIGIT_BITS = 8;

/** Bytes of workgroup memory that radix-subgroups-scatter uses. */
function workgroupBytes(subgroups: number, subgroup: number, items: number, digits: number): number {
  const staged = 8 * subgroups * subgroup * items;
  return staged + 4 * ((Math.max(4, subgroups) * digits) / 2 + 2 * digits + subgroups);
}

/** The largest workgroup that the adapter has room for. */
function shapeFor(gpu: Gpu, digits: number): { threads: number; items: number } {
  const subgroup = gpu.adapter.subgroupMaxSize;
  const { maxComputeInvocationsPerWorkgroup, maxComputeWorkgroupStorageSize } = gpu.device.limits;
  let subgroups = MAX_SUBGROUPS;
  while (subgroups * subgroup > maxComputeInvocationsPerWorkgroup) subgroups /= 2;
  let items = gpu.target === 'cpu' ? SOFTWARE_ITEMS : MAX_ITEMS;
  while (items > 1 && workgroupBytes(subgroups, subgroup, items, digits) > maxComputeWorkgroupStorageSize)
    items /= 2;
  return { threads: subgroups * subgroup, items };
}

/** Whether the variant can run: subgroups of one known size. */
export function fitsSubgroups(gpu: Gpu): boolean {
  return SIZES.includes(gpu.subgroupSize);
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
    const { threads, items } = shapeFor(gpu, pass.digits);
    const constants = { THREADS: threads, TILE: threads, CHUNK_MIN, WIDTH: width };
    const [counting, scatter] = await Promise.all([
      gpu.kernel({
        label: 'sort/radix-subgroups-count',
        source: new URL('./radix-subgroups-count.wgsl', import.meta.url),
        constants,
      }),
      gpu.kernel({
        label: 'sort/radix-subgroups-scatter',
        source: new URL('./radix-subgroups-scatter.wgsl', import.meta.url),
        constants: { ...constants, SUBGROUP: gpu.adapter.subgroupMaxSize, ITEMS: items },
        enables: ['subgroups'],
        numbering: gpu.numbering,
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
      { bound: scatter.bind({ ...shared, ...moved }), groups: workers },
    ];
  },
};
