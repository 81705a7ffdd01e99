import {
  type Arena,
  type BoundKernel,
  type Constants,
  defineKernel,
  type Gpu,
  type Kernel,
  type KernelDefinition,
  type KernelTarget,
} from '../core/index.ts';

/**
 * Widest digit of a pass: MAX_DIGITS of shared/radix-pass.wgsl. The subgroup variant has a table of each subgroup's counts in
 * workgroup memory, and the run of a digit should be long.
 */
export const MAX_DIGIT_BITS = 8;

/** The distribution of pairs over workers. A worker processes one contiguous chunk; it is a workgroup, or for `cpu` a thread. */
interface PassShape {
  maxWorkers: number;
  /** Minimum pairs of a chunk: with fewer, the set-up of a worker costs more than its share of the work. */
  chunkMin: number;
}
const SHAPES: Readonly<Record<KernelTarget, PassShape>> = {
  // Two workgroups on each multiprocessor of a large GPU (132). Each reads the counts of all others, so more of them are slower.
  subgroup: { maxWorkers: 264, chunkMin: 1024 },
  // Eight workgroups of 256 threads on each multiprocessor.
  portable: { maxWorkers: 1024, chunkMin: 1024 },
  // A worker clears and scans its own 256 counts.
  cpu: { maxWorkers: 256, chunkMin: 512 },
};

/** Subgroups of a workgroup of the subgroup variant, if the adapter allows that many threads. */
const MAX_SUBGROUPS = 8;
/** Pairs that a thread of the subgroup variant processes at a time, if the adapter has the workgroup memory. */
const MAX_ITEMS = 8;
/** The same on a CPU, where the subgroup variant runs in tests only: its driver compiles long loops for minutes. */
const CPU_ITEMS = 2;

const PORTABLE_THREADS = 256;
/** A vector of a CPU. The threads share no work. */
const CPU_THREADS = 8;
/** A shape that fits every adapter with subgroups. */
const subgroupExample = { THREADS: 64, TILE: 64, WIDTH: 8, ITEMS: 1 };
const subgroup = { CHUNK_MIN: SHAPES.subgroup.chunkMin };
const portable = { THREADS: PORTABLE_THREADS, TILE: PORTABLE_THREADS, CHUNK_MIN: SHAPES.portable.chunkMin };
const cpu = { THREADS: CPU_THREADS, TILE: 1, CHUNK_MIN: SHAPES.cpu.chunkMin };

export const RADIX_HISTOGRAM = defineKernel({
  label: 'sort/radix-histogram',
  variants: {
    portable: { source: new URL('./radix-histogram.wgsl', import.meta.url), constants: portable },
    subgroup: {
      source: new URL('./radix-histogram-subgroup.wgsl', import.meta.url),
      constants: subgroup,
      example: subgroupExample,
      enables: ['subgroups'],
    },
    cpu: { source: new URL('./radix-histogram-cpu.wgsl', import.meta.url), constants: cpu },
  },
});
/** Not used with subgroups: the scatter of few, long chunks sums the counts of the earlier ones itself. */
export const RADIX_SCAN = defineKernel({
  label: 'sort/radix-scan',
  variants: {
    portable: {
      source: new URL('./radix-scan.wgsl', import.meta.url),
      constants: { ...portable, THREADS: 64 },
    },
    // A thread a digit.
    cpu: {
      source: new URL('./radix-scan-cpu.wgsl', import.meta.url),
      constants: { ...cpu, THREADS: 2 ** MAX_DIGIT_BITS },
    },
  },
});
export const RADIX_SCATTER = defineKernel({
  label: 'sort/radix-scatter',
  variants: {
    portable: { source: new URL('./radix-scatter.wgsl', import.meta.url), constants: portable },
    subgroup: {
      source: new URL('./radix-scatter-subgroup.wgsl', import.meta.url),
      constants: subgroup,
      example: subgroupExample,
      enables: ['subgroups'],
    },
    cpu: { source: new URL('./radix-scatter-cpu.wgsl', import.meta.url), constants: cpu },
  },
});

/** The resources that all passes of one sort share. */
export interface PassContext {
  gpu: Gpu;
  arena: Arena;
  label: string;
  target: KernelTarget;
  capacity: number;
  /** u32 [workers, 2^MAX_DIGIT_BITS]: counts of digits by chunk. */
  histogram: GPUBuffer;
  /** Maximum number of chunks: see `workersFor`. */
  workers: number;
}

/** u32 [capacity] each. */
export interface Pairs {
  keys: GPUBuffer;
  values: GPUBuffer;
}

/** One pass: one digit orders `from` into `to`. */
export interface Pass {
  /** Lowest bit of the digit, and its width. */
  shift: number;
  width: number;
  /** Use each pair's index as its value, instead of reading it. */
  identity: boolean;
  /** u32 array with the number of pairs at `countWord`. */
  counts: GPUBuffer;
  countWord: number;
  /** Omit the pairs whose key is 0, and write the number of the others to word `nonzeroWord` of `nonzeroCount`. */
  skipZeros: boolean;
  nonzeroCount: GPUBuffer;
  nonzeroWord: number;
  from: Pairs;
  to: Pairs;
}

export interface Step {
  bound: BoundKernel;
  groups: number;
}

/** Maximum number of chunks of `capacity` pairs. */
export function workersFor(target: KernelTarget, capacity: number): number {
  const { maxWorkers, chunkMin } = SHAPES[target];
  return Math.min(maxWorkers, Math.ceil(capacity / chunkMin));
}

/** The kernels of one pass in order, with their numbers of workgroups. All targets give the same order of pairs. */
export async function passSteps(context: PassContext, pass: Pass): Promise<Step[]> {
  const { gpu, arena, label, target, histogram, workers } = context;
  const { from, to, counts, nonzeroCount, shift, width } = pass;
  const constants = target === 'subgroup' ? subgroupShape(gpu, width) : {};
  const load = (kernel: KernelDefinition) => gpu.kernel(kernel, { target, constants });
  const [count, scatter, scan] = await Promise.all([
    load(RADIX_HISTOGRAM),
    load(RADIX_SCATTER),
    target === 'subgroup' ? undefined : load(RADIX_SCAN),
  ]);
  const shared = { radix: passNumbers(count, context, pass), counts, histogram };
  const moved = { keysIn: from.keys, valuesIn: from.values, keysOut: to.keys, valuesOut: to.values };
  const groups = target === 'cpu' ? Math.ceil(workers / CPU_THREADS) : workers;
  const first = { bound: count.bind({ ...shared, keys: from.keys }), groups };
  if (!scan) return [first, { bound: scatter.bind({ ...shared, ...moved, nonzeroCount }), groups }];
  if (target === 'cpu') {
    return [
      first,
      { bound: scan.bind({ ...shared, nonzeroCount }), groups: 1 },
      { bound: scatter.bind({ ...shared, ...moved }), groups },
    ];
  }
  const totals = arena.buffer(`${label}/totals_bit${shift}`, 4 * 2 ** width);
  return [
    first,
    { bound: scan.bind({ ...shared, totals }), groups: 2 ** width },
    { bound: scatter.bind({ ...shared, totals, ...moved, nonzeroCount }), groups },
  ];
}

/** The uniform with the numbers of a pass: the struct Pass of shared/radix-pass.wgsl. */
function passNumbers(kernel: Kernel, context: PassContext, pass: Pass): GPUBuffer {
  const { gpu, arena, label, capacity, workers } = context;
  const numbers = arena.uniform(`${label}/pass_bit${pass.shift}`, kernel.struct('Pass').size);
  const values = {
    capacity,
    countWord: pass.countWord,
    workers,
    shift: pass.shift,
    digits: 2 ** pass.width,
    identity: pass.identity ? 1 : 0,
    skipZeros: pass.skipZeros ? 1 : 0,
    nonzeroWord: pass.nonzeroWord,
  };
  gpu.write(numbers, kernel.pack('Pass', values), 'parameters');
  return numbers;
}

/** The largest workgroup of the subgroup variant that fits the adapter. */
function subgroupShape(gpu: Gpu, width: number): Constants {
  const { maxComputeInvocationsPerWorkgroup, maxComputeWorkgroupStorageSize } = gpu.device.limits;
  let subgroups = MAX_SUBGROUPS;
  while (subgroups * gpu.subgroupSize > maxComputeInvocationsPerWorkgroup) subgroups /= 2;
  const threads = subgroups * gpu.subgroupSize;
  let items = gpu.target === 'cpu' ? CPU_ITEMS : MAX_ITEMS;
  while (items > 1 && workgroupBytes(threads, subgroups, items, 2 ** width) > maxComputeWorkgroupStorageSize)
    items /= 2;
  return { THREADS: threads, TILE: threads, WIDTH: width, ITEMS: items };
}

/** Bytes of workgroup memory that radix-scatter-subgroup uses. */
function workgroupBytes(threads: number, subgroups: number, items: number, digits: number): number {
  return 8 * threads * items + 4 * ((Math.max(4, subgroups) * digits) / 2 + 2 * digits + subgroups);
}
