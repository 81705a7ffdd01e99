import { type Arena, defineKernel, RANDOM } from '../../core/index.ts';
import { bindPass, FixedPass, GROUP, SPLIT_SHRINK } from './fixed-pass.ts';

export const SPLIT_ROWS = defineKernel({
  label: 'splat/densify/split-rows',
  constants: { GROUP, SPLIT_SHRINK, PURPOSE: RANDOM.split },
  example: { REVISED_OPACITY: true },
  variants: { portable: { source: new URL('./split-rows.wgsl', import.meta.url) } },
});

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

/** Turns pairs of copies into the halves of a split: gsplat's `split`, 3DGS's densifyAndSplit. */
export class SplitRows extends FixedPass {
  static async create(
    arena: Arena,
    { rows, count, seed, step, revisedOpacity }: SplitRowsOptions,
    { origins, quats, means, logScales, opacityLogits }: SplitRowsBuffers,
  ): Promise<SplitRows> {
    const bound = await bindPass(arena, {
      kernel: SPLIT_ROWS,
      constants: { REVISED_OPACITY: revisedOpacity },
      struct: 'Split',
      variable: 'split',
      numbers: { rows, count, seed, step },
      buffers: { origins, quats, means, logScales, opacityLogits },
      threads: rows,
    });
    return new SplitRows(bound);
  }
}
