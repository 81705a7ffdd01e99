import { type Arena, type BoundKernel, gridFor, RANDOM, type Recorder } from '../../core/index.ts';
import { GROUP, SPLIT_SHRINK } from './constants.ts';

export interface SplitRowsBuffers {
  /** u32 [rows]: see `GatherRows`; entries from 2·count on are halves. */
  origins: GPUBuffer;
  quats: GPUBuffer;
  means: GPUBuffer;
  logScales: GPUBuffer;
  opacityLogits: GPUBuffer;
}

export interface SplitRowsOptions {
  /** Gaussians after and before the growth. */
  rows: number;
  count: number;
  seed: number;
  step: number;
  /** See `GrowthRules`. */
  revisedOpacity: boolean;
}

/** Turns pairs of copies into the halves of a split: gsplat's `split`, 3DGS's densify_and_split. */
export class SplitRows {
  readonly #bound: BoundKernel;
  readonly #rows: number;

  private constructor(bound: BoundKernel, rows: number) {
    this.#bound = bound;
    this.#rows = rows;
  }

  static async create(
    arena: Arena,
    options: SplitRowsOptions,
    buffers: SplitRowsBuffers,
  ): Promise<SplitRows> {
    const { rows, count, seed, step, revisedOpacity } = options;
    const kernel = await arena.gpu.kernel({
      label: 'splat/densify/split_rows',
      source: new URL('./split_rows.wgsl', import.meta.url),
      constants: { GROUP, SPLIT_SHRINK, PURPOSE: RANDOM.split, REVISED_OPACITY: revisedOpacity },
    });
    const uniform = arena.uniform('split_rows/split', kernel.struct('Split').size);
    arena.gpu.write(uniform, kernel.pack('Split', { rows, count, seed, step }), 'parameters');
    const { origins, quats, means, logScales, opacityLogits } = buffers;
    const bound = kernel.bind({
      split: uniform,
      origins,
      quats,
      means,
      log_scales: logScales,
      opacity_logits: opacityLogits,
    });
    return new SplitRows(bound, rows);
  }

  record(recorder: Recorder): void {
    recorder.run(this.#bound, gridFor(this.#rows, GROUP));
  }
}
