import type { Arena, BoundKernel, Constants, Gpu, Recorder } from '../core/index.ts';

export interface RadixSortOptions {
  /** Names the buffers in the arena. */
  label: string;
  /** Most pairs that the buffers hold, at most 2^26. A count beyond it is clamped. */
  capacity: number;
  /** u32 [capacity]; overwritten: one of the two sides that the passes alternate between. */
  keys: GPUBuffer;
  /** u32 [capacity]; overwritten likewise. May be left out with `identityValues`. */
  values?: GPUBuffer;
  /** The values are the pairs' numbers 0…count−1, and `values` is not read. */
  identityValues?: boolean;
  /** u32 array with the number of pairs at `countWord`, read when the kernels run. */
  count: GPUBuffer;
  countWord: number;
  /** Keys are below 2^bits; higher bits are not looked at. 1 to 32. */
  bits: number;
}

const THREADS = 256;
const SCAN_THREADS = 64;
/** Fills a large GPU: 132 multiprocessors × 8 workgroups of 256 threads. */
const MAX_GROUPS = 1024;
/** Below this many pairs a workgroup's own set-up costs more than it spares. */
const CHUNK_MIN = 1024;
const MAX_DIGIT_BITS = 8;
const MAX_CAPACITY = 2 ** 26;

/** The digit widths of the passes, low digit first: as few passes of at most 8 bits as hold `bits`, evenly shared. */
export function digitWidths(bits: number): number[] {
  const passes = Math.ceil(bits / MAX_DIGIT_BITS);
  return Array.from(
    { length: passes },
    (_, pass) => Math.floor((bits * (pass + 1)) / passes) - Math.floor((bits * pass) / passes),
  );
}

/**
 * Stable sort of (u32 key, u32 value) pairs by key, least significant digit first, of a count that lives on the GPU.
 * Three dispatches a pass over fixed grids: digit counts by chunk, their prefix sums, scatter. No subgroups and no
 * order-dependent atomics: equal input gives equal output, ties included.
 */
export class RadixSort {
  /** u32 [capacity]: the keys in order, after the recorded kernels have run. Either `keys` or a buffer of the sort's own. */
  readonly sortedKeys: GPUBuffer;
  /** u32 [capacity]: the values in the keys' order. */
  readonly sortedValues: GPUBuffer;
  readonly #steps: { bound: BoundKernel; groups: number }[];

  private constructor(keys: GPUBuffer, values: GPUBuffer, steps: { bound: BoundKernel; groups: number }[]) {
    this.sortedKeys = keys;
    this.sortedValues = values;
    this.#steps = steps;
  }

  static async create(gpu: Gpu, arena: Arena, options: RadixSortOptions): Promise<RadixSort> {
    const { label, capacity, count, countWord, bits, identityValues = false } = options;
    if (!(Number.isInteger(capacity) && capacity >= 1 && capacity <= MAX_CAPACITY)) {
      throw new Error(`${label}: a sort's capacity is 1 to ${MAX_CAPACITY}, got ${capacity}`);
    }
    if (!(Number.isInteger(bits) && bits >= 1 && bits <= 32)) {
      throw new Error(`${label}: a sort's keys have 1 to 32 bits, got ${bits}`);
    }
    if (!options.values && !identityValues)
      throw new Error(`${label}: a sort needs values or identityValues`);

    const widths = digitWidths(bits);
    const groups = Math.min(MAX_GROUPS, Math.ceil(capacity / CHUNK_MIN));
    const histogram = arena.buffer(`${label}/histogram`, 4 * groups * 2 ** Math.max(...widths));
    const totals = arena.buffer(`${label}/totals`, 4 * 2 ** MAX_DIGIT_BITS);
    const otherKeys = arena.buffer(`${label}/keys`, 4 * capacity);
    const otherValues = arena.buffer(`${label}/values`, 4 * capacity);
    // With identity values and one pass nothing ever reads the first side's values.
    const firstValues =
      options.values ?? (widths.length > 1 ? arena.buffer(`${label}/values_first`, 4 * capacity) : totals);

    let from = { keys: options.keys, values: firstValues };
    let to = { keys: otherKeys, values: otherValues };
    let shift = 0;
    const steps: { bound: BoundKernel; groups: number }[] = [];
    for (const [pass, width] of widths.entries()) {
      const kernels = await passKernels(gpu, identityValues && pass === 0, {
        CAPACITY: capacity,
        COUNT_WORD: countWord,
        GROUPS: groups,
        TILE: THREADS,
        CHUNK_MIN,
        SHIFT: shift,
        DIGITS: 2 ** width,
      });
      steps.push(
        { bound: kernels.histogram.bind({ counts: count, keys: from.keys, histogram }), groups },
        { bound: kernels.scan.bind({ counts: count, histogram, totals }), groups: 2 ** width },
        {
          bound: kernels.scatter.bind({
            counts: count,
            histogram,
            totals,
            keys_in: from.keys,
            values_in: from.values,
            keys_out: to.keys,
            values_out: to.values,
          }),
          groups,
        },
      );
      [from, to] = [to, from];
      shift += width;
    }
    return new RadixSort(from.keys, from.values, steps);
  }

  record(recorder: Recorder): void {
    for (const { bound, groups } of this.#steps) recorder.run(bound, groups);
  }
}

async function passKernels(gpu: Gpu, identity: boolean, constants: Constants) {
  const { SHIFT: _, ...unshifted } = constants;
  const [histogram, scan, scatter] = await Promise.all([
    gpu.kernel({
      label: 'sort/radix_histogram',
      source: new URL('./radix_histogram.wgsl', import.meta.url),
      constants: { ...constants, THREADS },
    }),
    gpu.kernel({
      label: 'sort/radix_scan',
      source: new URL('./radix_scan.wgsl', import.meta.url),
      constants: { ...unshifted, THREADS: SCAN_THREADS },
    }),
    gpu.kernel({
      label: 'sort/radix_scatter',
      source: new URL('./radix_scatter.wgsl', import.meta.url),
      constants: { ...constants, THREADS, IDENTITY: identity },
    }),
  ]);
  return { histogram, scan, scatter };
}
