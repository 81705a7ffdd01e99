import type { Arena, BoundKernel, Gpu, Recorder } from '../core/index.ts';

export interface ScanOptions {
  /** Names the buffers in the arena. */
  label: string;
  /** Most values that `values` holds, at most 2^28. A count beyond it is clamped. */
  capacity: number;
  /** u32 [capacity]; each value is replaced by the sum of those before it. */
  values: GPUBuffer;
  /** u32 array with the number of values at `countWord`, read when the kernels run. */
  count: GPUBuffer;
  countWord: number;
  /** u32 array whose word `totalWord` gets the sum of all values. May be the same buffer as `count`. */
  total: GPUBuffer;
  totalWord: number;
  /** Workgroups shaped for a GPU or for a CPU behind a software driver; by default what the adapter is. */
  variant?: keyof typeof SHAPES;
}

/** Values that a workgroup scans at once. */
const TILE = 1024;
/**
 * Threads of a workgroup, and the most chunks that share the work. A large GPU (132 multiprocessors) wants many of both;
 * a CPU behind a software driver pays for every barrier of every thread and has few cores.
 */
const SHAPES = {
  gpu: { threads: 256, maxGroups: 512 },
  cpu: { threads: 16, maxGroups: 32 },
};
const MAX_CAPACITY = 2 ** 28;

/** The grid of a scan, and the constants of its kernels. */
export function scanGrid(gpu: Gpu, capacity: number, variant?: keyof typeof SHAPES) {
  const { threads, maxGroups } = SHAPES[variant ?? (gpu.target === 'cpu' ? 'cpu' : 'gpu')];
  return {
    groups: Math.min(maxGroups, Math.ceil(capacity / TILE)),
    constants: { THREADS: threads, TILE, CHUNK_MIN: TILE },
  };
}

/**
 * Exclusive prefix sum of u32 values in place, of a count that lives on the GPU. Reduce, then scan: two dispatches of a
 * fixed grid, each workgroup owning one contiguous chunk (Merrill and Grimshaw, "Parallel Scan for Stream
 * Architectures", 2009). Decoupled look-back would read the values once less but waits on other workgroups, which
 * WebGPU does not promise to run. A total of 2^32 and more is given as
 * 2^32 − 1; the prefixes mean nothing then.
 */
export class Scan {
  readonly #reduce: BoundKernel;
  readonly #scan: BoundKernel;
  readonly #groups: number;

  private constructor(reduce: BoundKernel, scan: BoundKernel, groups: number) {
    this.#reduce = reduce;
    this.#scan = scan;
    this.#groups = groups;
  }

  static async create(gpu: Gpu, arena: Arena, options: ScanOptions): Promise<Scan> {
    const { capacity, values, count, countWord, total, totalWord, label } = options;
    if (!(Number.isInteger(capacity) && capacity >= 1 && capacity <= MAX_CAPACITY)) {
      throw new Error(`${label}: a scan's capacity is 1 to ${MAX_CAPACITY}, got ${capacity}`);
    }
    const { groups, constants } = scanGrid(gpu, capacity, options.variant);
    const [reduce, scan] = await Promise.all([
      gpu.kernel({
        label: 'sort/scan-reduce',
        source: new URL('./scan-reduce.wgsl', import.meta.url),
        constants,
      }),
      gpu.kernel({ label: 'sort/scan', source: new URL('./scan.wgsl', import.meta.url), constants }),
    ]);
    const numbers = { capacity, countWord, totalWord, workers: groups };
    const shape = arena.uniform(`${label}/shape`, reduce.struct('Shape').size);
    gpu.write(shape, reduce.pack('Shape', numbers), 'parameters');
    const partials = arena.buffer(`${label}/partials`, 4 * (1 + groups));
    return new Scan(
      reduce.bind({ shape, counts: count, values, partials }),
      scan.bind({ shape, partials, values, totals: total }),
      groups,
    );
  }

  record(recorder: Recorder): void {
    recorder.run(this.#reduce, this.#groups).run(this.#scan, this.#groups);
  }
}
