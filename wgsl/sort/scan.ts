import {
  type Arena,
  type BoundKernel,
  defineKernel,
  type Gpu,
  type KernelTarget,
  type Recorder,
} from '../core/index.ts';

/** Options of `Scan.create`. */
export interface ScanOptions {
  /** Prefix of the buffers' labels. */
  label: string;
  /** Number of values that fit `values`, at most 2^28. Larger counts are clamped. */
  capacity: number;
  /** u32 [capacity]; each value is replaced by the sum of those before it. */
  values: GPUBuffer;
  /** u32 array with the number of values at `countWord`, read when the kernels run. */
  count: GPUBuffer;
  /** Index of a u32 in `count`. */
  countWord: number;
  /** u32 array whose word `totalWord` receives the sum of all values. May be the same buffer as `count`. */
  total: GPUBuffer;
  /** Index of a u32 in `total`. */
  totalWord: number;
  /** The variant of the kernels; the device's unless given. The result is the same. */
  target?: KernelTarget;
}

const MAX_CAPACITY = 2 ** 28;
/** Values that a workgroup scans at once. */
const TILE = 1024;
/** Maximum workgroups. A large GPU (132 multiprocessors) needs many; a CPU has few cores. */
const MAX_GROUPS: Readonly<Record<KernelTarget, number>> = { subgroup: 512, portable: 512, cpu: 32 };
const chunks = { TILE, CHUNK_MIN: TILE };
/** Constants of the kernels that include shared/scan-chunk.wgsl. On a CPU every barrier costs time for every thread. */
export const SCAN_CONSTANTS = { portable: { ...chunks, THREADS: 256 }, cpu: { ...chunks, THREADS: 16 } };

export const SCAN_REDUCE = defineKernel({
  label: 'sort/scan-reduce',
  variants: {
    portable: {
      source: new URL('./scan-reduce.wgsl', import.meta.url),
      constants: SCAN_CONSTANTS.portable,
    },
    cpu: { constants: SCAN_CONSTANTS.cpu },
  },
});
export const SCAN = defineKernel({
  label: 'sort/scan',
  variants: {
    portable: { source: new URL('./scan.wgsl', import.meta.url), constants: SCAN_CONSTANTS.portable },
    cpu: { constants: SCAN_CONSTANTS.cpu },
  },
});

/** The number of workgroups of a scan. */
export function scanGroups(target: KernelTarget, capacity: number): number {
  return Math.min(MAX_GROUPS[target], Math.ceil(capacity / TILE));
}

/**
 * Exclusive prefix sum of u32 values in place, of a count that lives on the GPU. Reduce, then scan: two dispatches of a
 * fixed grid; each workgroup scans one contiguous chunk (Merrill and Grimshaw, "Parallel Scan for Stream
 * Architectures", 2009). Decoupled look-back would read the values once less, but it waits for other workgroups, and
 * WebGPU does not guarantee that they run. A total of 2^32 or more becomes 2^32 − 1, and the prefixes are then undefined.
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

  /** Compiles the kernels and allocates the scan's buffers in the arena. @throws Error when the capacity is out of range. */
  static async create(gpu: Gpu, arena: Arena, options: ScanOptions): Promise<Scan> {
    const { capacity, values, count, countWord, total, totalWord, label, target = gpu.target } = options;
    if (!(Number.isInteger(capacity) && capacity >= 1 && capacity <= MAX_CAPACITY)) {
      throw new Error(`${label}: a scan's capacity is 1 to ${MAX_CAPACITY}, got ${capacity}`);
    }
    const groups = scanGroups(target, capacity);
    const [reduce, scan] = await Promise.all([
      gpu.kernel(SCAN_REDUCE, { target }),
      gpu.kernel(SCAN, { target }),
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

  /** Records the scan of the contents of `values` when the kernels run. */
  record(recorder: Recorder): void {
    recorder.run(this.#reduce, this.#groups).run(this.#scan, this.#groups);
  }
}
