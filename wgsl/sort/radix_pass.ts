import type { BoundKernel, Gpu } from '../core/index.ts';

/** What all passes of one sort share. */
export interface PassContext {
  gpu: Gpu;
  capacity: number;
  count: GPUBuffer;
  countWord: number;
  /** u32 [chunks × 2^widest digit]: counts of digits by chunk, then where they go. */
  histogram: GPUBuffer;
  /** u32 [256]: sums by digit. */
  totals: GPUBuffer;
}

/** u32 [capacity] each. */
export interface Pairs {
  keys: GPUBuffer;
  values: GPUBuffer;
}

/** One pass: the digit of `width` bits from bit `shift` on orders `from` into `to`. */
export interface Pass {
  shift: number;
  width: number;
  /** Take each pair's number for its value, instead of reading it. */
  identityValues: boolean;
  from: Pairs;
  to: Pairs;
}

export interface Step {
  bound: BoundKernel;
  groups: number;
}

/** One way to run passes; all ways give the same order. */
export interface PassVariant {
  /** Chunks that share the work. */
  chunks(capacity: number): number;
  steps(context: PassContext, pass: Pass): Promise<Step[]>;
}
