import type { Arena, Gpu, KernelTarget, Recorder } from '../core/index.ts';
import { MAX_DIGIT_BITS, passSteps, type Step, workersFor } from './radix-pass.ts';

/** Maximum number of pairs of a radix sort. */
export const MAX_CAPACITY = 2 ** 26;

/** Options of `RadixSort.create`. */
export interface RadixSortOptions {
  /** Prefix of the buffers' labels. */
  label: string;
  /** Number of pairs that fit the buffers, at most 2^26. Larger counts are clamped. */
  capacity: number;
  /** u32 [capacity]; overwritten: one of the two sides that the passes alternate between. */
  keys: GPUBuffer;
  /** u32 [capacity]; overwritten likewise. Optional with `identityValues`. */
  values?: GPUBuffer;
  /** The values are the pairs' indices 0…count−1, and `values` is not read. */
  identityValues?: boolean;
  /** u32 array with the number of pairs at `countWord`, read when the kernels run. */
  count: GPUBuffer;
  /** Index of a u32 in `count`. */
  countWord: number;
  /**
   * Omit the pairs whose key is 0. u32 array, different from `count`, whose word `nonzeroWord` receives the number of the
   * others.
   */
  nonzeroCount?: GPUBuffer;
  nonzeroWord?: number;
  /** Keys are below 2^bits; the sort ignores higher bits. 1 to 32. */
  bits: number;
  /** The variant of the kernels; the device's unless given. The order is the same. */
  target?: KernelTarget;
}

/** The digit widths of the passes, low digit first: the fewest passes of at most `maxBits` bits, of even width. */
export function digitWidths(bits: number, maxBits = MAX_DIGIT_BITS): number[] {
  const passes = Math.ceil(bits / maxBits);
  return Array.from(
    { length: passes },
    (_, pass) => Math.floor((bits * (pass + 1)) / passes) - Math.floor((bits * pass) / passes),
  );
}

/**
 * Stable sort of (u32 key, u32 value) pairs by key, least significant digit first, of a count that lives on the GPU.
 * A pass counts the digits by chunk, scans the counts, and moves the pairs (Satish, Harris and Garland, "Designing Efficient
 * Sorting Algorithms for Manycore GPUs", 2009), in two or three dispatches over fixed grids. No order-dependent atomics:
 * equal input gives equal output, ties included.
 */
export class RadixSort {
  /** u32 [capacity]: the keys in order, after the recorded kernels have run. `keys`, or an internal buffer. */
  readonly sortedKeys: GPUBuffer;
  /** u32 [capacity]: the values in the keys' order. */
  readonly sortedValues: GPUBuffer;
  readonly #steps: Step[];

  private constructor(keys: GPUBuffer, values: GPUBuffer, steps: Step[]) {
    this.sortedKeys = keys;
    this.sortedValues = values;
    this.#steps = steps;
  }

  /**
   * Compiles the kernels and allocates the sort's buffers in the arena: 8 bytes a pair, and the counts of the digits.
   * @throws Error when the capacity or the bits are out of range, or values are missing.
   */
  static async create(gpu: Gpu, arena: Arena, options: RadixSortOptions): Promise<RadixSort> {
    const { label, capacity, bits, identityValues = false, nonzeroCount } = options;
    const { target = gpu.target, nonzeroWord = 0 } = options;
    if (!(Number.isInteger(capacity) && capacity >= 1 && capacity <= MAX_CAPACITY)) {
      throw new Error(`${label}: a sort's capacity is 1 to ${MAX_CAPACITY}, got ${capacity}`);
    }
    if (!(Number.isInteger(bits) && bits >= 1 && bits <= 32)) {
      throw new Error(`${label}: a sort's keys have 1 to 32 bits, got ${bits}`);
    }
    if (!options.values && !identityValues)
      throw new Error(`${label}: a sort needs values or identityValues`);

    const widths = digitWidths(bits);
    const workers = workersFor(target, capacity);
    const histogram = arena.buffer(`${label}/histogram`, 4 * workers * 2 ** MAX_DIGIT_BITS);
    const context = { gpu, arena, label, target, capacity, histogram, workers };
    const otherSide = {
      keys: arena.buffer(`${label}/keys`, 4 * capacity),
      values: arena.buffer(`${label}/values`, 4 * capacity),
    };
    // With identity values and one pass nothing reads or writes the first side's values; any small buffer will do.
    const unread = () => arena.buffer(`${label}/valuesFirst`, widths.length > 1 ? 4 * capacity : 4);
    // Bound by passes that include all pairs.
    const unwritten = arena.buffer(`${label}/nonzeroCount`, 4);

    let from = { keys: options.keys, values: options.values ?? unread() };
    let to = otherSide;
    let shift = 0;
    const steps: Step[] = [];
    for (const [i, width] of widths.entries()) {
      const skipZeros = nonzeroCount !== undefined && i === 0;
      const remaining = nonzeroCount && i > 0 ? { counts: nonzeroCount, countWord: nonzeroWord } : undefined;
      const pass = {
        shift,
        width,
        identity: identityValues && i === 0,
        counts: remaining?.counts ?? options.count,
        countWord: remaining?.countWord ?? options.countWord,
        skipZeros,
        nonzeroCount: skipZeros ? nonzeroCount : unwritten,
        nonzeroWord,
        from,
        to,
      };
      steps.push(...(await passSteps(context, pass)));
      [from, to] = [to, from];
      shift += width;
    }
    return new RadixSort(from.keys, from.values, steps);
  }

  /** Records the sort of the pairs that are in `keys` and `values` when the kernels run. */
  record(recorder: Recorder): void {
    for (const { bound, groups } of this.#steps) recorder.run(bound, groups);
  }
}
