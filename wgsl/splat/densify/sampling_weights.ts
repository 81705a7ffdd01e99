import { type Arena, type BoundKernel, gridFor, RANDOM, type Recorder } from '../../core/index.ts';
import { GROUP, SOURCES } from './constants.ts';

/** One drawing of sources: rows `count` … `rows`−1 are new, and those at or below `deadOpacity` are to be moved. */
export interface Draw {
  count: number;
  rows: number;
  seed: number;
  step: number;
  /** Opacity up to which a row waits for a source instead of being one; −1: none does. */
  deadOpacity: number;
}

export interface SamplingWeightsBuffers {
  opacityLogits: GPUBuffer;
  /** u32 [count], written: weights ∝ opacity, 0 for the dead. */
  weights: GPUBuffer;
  /** u32 [rows], written: `SOURCES.NONE` or `SOURCES.PENDING`. */
  sources: GPUBuffer;
}

/**
 * The weight of opacity 1: as large as lets the sum of `count` weights fit 32 bits, so that opacities are told apart to
 * `count` / 2^32; at most 2^22, where f32 still holds the fraction that is rounded.
 */
export function weightUnit(count: number): number {
  return Math.min(2 ** 22, Math.floor(2 ** 32 / count) - 2);
}

/** Integer weights for drawing with probability ∝ opacity, and the rows that wait for a draw. */
export class SamplingWeights {
  readonly #bound: BoundKernel;
  readonly #rows: number;

  private constructor(bound: BoundKernel, rows: number) {
    this.#bound = bound;
    this.#rows = rows;
  }

  static async create(arena: Arena, draw: Draw, buffers: SamplingWeightsBuffers): Promise<SamplingWeights> {
    const { count, rows, seed, step, deadOpacity } = draw;
    const kernel = await arena.gpu.kernel({
      label: 'splat/densify/sampling_weights',
      source: new URL('./sampling_weights.wgsl', import.meta.url),
      constants: { GROUP, ...SOURCES, PURPOSE: RANDOM.relocate },
    });
    const uniform = arena.uniform('sampling_weights/draw', kernel.struct('Draw').size);
    const packed = kernel.pack('Draw', {
      count,
      rows,
      seed,
      step,
      unit: weightUnit(count),
      dead_opacity: deadOpacity,
    });
    arena.gpu.write(uniform, packed, 'parameters');
    const { opacityLogits, weights, sources } = buffers;
    return new SamplingWeights(
      kernel.bind({ draw: uniform, opacity_logits: opacityLogits, weights, sources }),
      rows,
    );
  }

  record(recorder: Recorder): void {
    recorder.run(this.#bound, gridFor(this.#rows, GROUP));
  }
}
