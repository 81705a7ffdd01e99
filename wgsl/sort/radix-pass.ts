import type { Arena, BoundKernel, Gpu, Kernel } from '../core/index.ts';

/** What all passes of one sort share. */
export interface PassContext {
  gpu: Gpu;
  arena: Arena;
  label: string;
  capacity: number;
  /** u32 [PassVariant.words]: counts of digits by chunk. */
  histogram: GPUBuffer;
  /** Chunks that share the work at most: `PassVariant.workers`. */
  workers: number;
}

/** u32 [capacity] each. */
export interface Pairs {
  keys: GPUBuffer;
  values: GPUBuffer;
}

/** One pass: one digit orders `from` into `to`. */
export interface Pass {
  /** Lowest bit of the digit, and 2^its width. */
  shift: number;
  width: number;
  digits: number;
  /** Take each pair's number for its value, instead of reading it. */
  identity: boolean;
  /** u32 array with the number of pairs at `countWord`. */
  counts: GPUBuffer;
  countWord: number;
  /** Leave out the pairs whose key is 0, and write how many the others are to `kept` at `keptWord`. */
  sparse: boolean;
  kept: GPUBuffer;
  keptWord: number;
  from: Pairs;
  to: Pairs;
}

export interface Step {
  bound: BoundKernel;
  groups: number;
}

/** One way to run passes; all ways give the same order. */
export interface PassVariant {
  /** Widest digit of a pass. */
  maxDigitBits: number;
  workers(capacity: number): number;
  /** Words of the histogram. */
  words(workers: number): number;
  steps(context: PassContext, pass: Pass): Promise<Step[]>;
}

/** The uniform with the numbers of a pass: the struct Pass of shared/radix-pass.wgsl. */
export function passNumbers(kernel: Kernel, context: PassContext, pass: Pass): GPUBuffer {
  const { gpu, arena, label, capacity, workers } = context;
  const numbers = arena.uniform(`${label}/pass_bit${pass.shift}`, kernel.struct('Pass').size);
  const values = {
    capacity,
    countWord: pass.countWord,
    workers,
    shift: pass.shift,
    digits: pass.digits,
    identity: pass.identity ? 1 : 0,
    sparse: pass.sparse ? 1 : 0,
    keptWord: pass.keptWord,
  };
  gpu.write(numbers, kernel.pack('Pass', values), 'parameters');
  return numbers;
}
