import type { Arena, BoundKernel, Gpu, Kernel } from '../core/index.ts';

/** What all passes of one sort share. */
export interface PassContext {
  gpu: Gpu;
  arena: Arena;
  label: string;
  capacity: number;
  count: GPUBuffer;
  countWord: number;
  /** u32 [workers × 256]: counts of digits by chunk, then where they go. */
  histogram: GPUBuffer;
  /** u32 [256]: sums by digit. */
  totals: GPUBuffer;
  /** Chunks that share the work at most: `PassVariant.workers(capacity)`. */
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
  digits: number;
  /** Take each pair's number for its value, instead of reading it. */
  identity: boolean;
  from: Pairs;
  to: Pairs;
}

export interface Step {
  bound: BoundKernel;
  groups: number;
}

/** One way to run passes; all ways give the same order. */
export interface PassVariant {
  workers(capacity: number): number;
  steps(context: PassContext, pass: Pass): Promise<Step[]>;
}

/** A uniform that tells the kernels of a pass its numbers: the struct Pass of shared/radix_pass.wgsl. */
export function passNumbers(kernel: Kernel, context: PassContext, pass: Pass): GPUBuffer {
  const { gpu, arena, label, capacity, countWord, workers } = context;
  const numbers = arena.uniform(`${label}/pass_bit${pass.shift}`, kernel.struct('Pass').size);
  const values = {
    capacity,
    count_word: countWord,
    workers,
    shift: pass.shift,
    digits: pass.digits,
    identity: pass.identity ? 1 : 0,
  };
  gpu.write(numbers, kernel.pack('Pass', values), 'parameters');
  return numbers;
}
