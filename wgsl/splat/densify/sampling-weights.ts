import { type Arena, defineKernel, RANDOM } from '../../core/index.ts';
import { bindPass, FixedPass, GROUP, SOURCES } from './fixed-pass.ts';

export const SAMPLING_WEIGHTS = defineKernel({
  label: 'splat/densify/sampling-weights',
  constants: { GROUP, ...SOURCES, PURPOSE: RANDOM.relocate },
  variants: { portable: { source: new URL('./sampling-weights.wgsl', import.meta.url) } },
});

/** One draw of sources: rows `count` … `rows`−1 are new; rows at or below `deadOpacity` are relocated. */
export interface Draw {
  count: number;
  rows: number;
  seed: number;
  step: number;
  /** Opacity up to which a row is pending instead of a possible source; −1: none is. */
  deadOpacity: number;
}

export interface SamplingWeightsBuffers {
  opacityLogits: GPUBuffer;
  /** u32 [count], written: weights ∝ opacity, 0 for dead rows. */
  weights: GPUBuffer;
  /** u32 [rows], written: `SOURCES.NONE` or `SOURCES.PENDING`. */
  sources: GPUBuffer;
}

/**
 * The weight of opacity 1: the largest for which the sum of `count` weights fits 32 bits, so that the resolution of opacity is
 * `count` / 2^32; at most 2^22, where f32 still represents the fraction that is rounded.
 */
export function weightUnit(count: number): number {
  return Math.min(2 ** 22, Math.floor(2 ** 32 / count) - 2);
}

/** Integer weights for drawing with probability ∝ opacity, and the pending rows. */
export class SamplingWeights extends FixedPass {
  static async create(
    arena: Arena,
    { count, rows, seed, step, deadOpacity }: Draw,
    { opacityLogits, weights, sources }: SamplingWeightsBuffers,
  ): Promise<SamplingWeights> {
    const bound = await bindPass(arena, {
      kernel: SAMPLING_WEIGHTS,
      struct: 'Draw',
      variable: 'draw',
      numbers: { count, rows, seed, step, unit: weightUnit(count), deadOpacity },
      buffers: { opacityLogits, weights, sources },
      threads: rows,
    });
    return new SamplingWeights(bound);
  }
}
