import type { Arena, Gpu, Recorder } from '../core/index.ts';
import { MAX_CAPACITY } from './capacity.ts';
import { BLOCKS } from './radix-blocks.ts';
import type { Step } from './radix-pass.ts';
import { SERIAL } from './radix-serial.ts';
import { fitsSubgroups, SUBGROUP } from './radix-subgroups.ts';

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
  /**
   * Leave out the pairs whose key is 0. u32 array, another than `count`, whose word `keptWord` gets the number of those
   * that stay.
   */
  kept?: GPUBuffer;
  keptWord?: number;
  /** Keys are below 2^bits; higher bits are not looked at. 1 to 32. */
  bits: number;
  /**
   * `subgroups` and `blocks` share a chunk among the threads of a workgroup, `serial` gives each thread a chunk of its own.
   * The order is the same; the default is what the adapter is fast at.
   */
  variant?: keyof typeof VARIANTS;
}

const VARIANTS = { subgroups: SUBGROUP, blocks: BLOCKS, serial: SERIAL };

/** The digit widths of the passes, low digit first: as few passes of at most `most` bits as hold `bits`, evenly shared. */
export function digitWidths(bits: number, most = 8): number[] {
  const passes = Math.ceil(bits / most);
  return Array.from(
    { length: passes },
    (_, pass) => Math.floor((bits * (pass + 1)) / passes) - Math.floor((bits * pass) / passes),
  );
}

function variantFor(gpu: Gpu): keyof typeof VARIANTS {
  if (gpu.target === 'cpu') return 'serial';
  return fitsSubgroups(gpu) ? 'subgroups' : 'blocks';
}

/**
 * Stable sort of (u32 key, u32 value) pairs by key, least significant digit first, of a count that lives on the GPU.
 * A pass counts the digits by chunk, sums them up, and moves the pairs (Satish, Harris and Garland, "Designing Efficient
 * Sorting Algorithms for Manycore GPUs", 2009), in two or three dispatches over fixed grids. No order-dependent atomics:
 * equal input gives equal output, ties included.
 */
export class RadixSort {
  /** u32 [capacity]: the keys in order, after the recorded kernels have run. `keys`, or a buffer of the sort's own. */
  readonly sortedKeys: GPUBuffer;
  /** u32 [capacity]: the values in the keys' order. */
  readonly sortedValues: GPUBuffer;
  readonly #steps: Step[];

  private constructor(keys: GPUBuffer, values: GPUBuffer, steps: Step[]) {
    this.sortedKeys = keys;
    this.sortedValues = values;
    this.#steps = steps;
  }

  static async create(gpu: Gpu, arena: Arena, options: RadixSortOptions): Promise<RadixSort> {
    const { label, capacity, bits, identityValues = false, kept, keptWord = 0 } = options;
    if (!(Number.isInteger(capacity) && capacity >= 1 && capacity <= MAX_CAPACITY)) {
      throw new Error(`${label}: a sort's capacity is 1 to ${MAX_CAPACITY}, got ${capacity}`);
    }
    if (!(Number.isInteger(bits) && bits >= 1 && bits <= 32)) {
      throw new Error(`${label}: a sort's keys have 1 to 32 bits, got ${bits}`);
    }
    if (!options.values && !identityValues)
      throw new Error(`${label}: a sort needs values or identityValues`);

    const variant = VARIANTS[options.variant ?? variantFor(gpu)];
    const widths = digitWidths(bits, variant.maxDigitBits);
    const workers = variant.workers(capacity);
    const context = {
      gpu,
      arena,
      label,
      capacity,
      histogram: arena.buffer(`${label}/histogram`, 4 * variant.words(workers)),
      workers,
    };
    const otherSide = {
      keys: arena.buffer(`${label}/keys`, 4 * capacity),
      values: arena.buffer(`${label}/values`, 4 * capacity),
    };
    // With identity values and one pass nothing reads or writes the first side's values; any small buffer will do.
    const unread = () => arena.buffer(`${label}/values_first`, widths.length > 1 ? 4 * capacity : 4);
    // What passes bind that leave nothing out.
    const unwritten = arena.buffer(`${label}/kept`, 4);

    let from = { keys: options.keys, values: options.values ?? unread() };
    let to = otherSide;
    let shift = 0;
    const steps: Step[] = [];
    for (const [i, width] of widths.entries()) {
      const sparse = kept !== undefined && i === 0;
      const left = kept && i > 0 ? { counts: kept, countWord: keptWord } : undefined;
      const pass = {
        shift,
        width,
        digits: 2 ** width,
        identity: identityValues && i === 0,
        counts: left?.counts ?? options.count,
        countWord: left?.countWord ?? options.countWord,
        sparse,
        kept: sparse ? kept : unwritten,
        keptWord,
        from,
        to,
      };
      steps.push(...(await variant.steps(context, pass)));
      [from, to] = [to, from];
      shift += width;
    }
    return new RadixSort(from.keys, from.values, steps);
  }

  record(recorder: Recorder): void {
    for (const { bound, groups } of this.#steps) recorder.run(bound, groups);
  }
}
