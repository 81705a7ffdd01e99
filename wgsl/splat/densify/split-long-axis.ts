import { type Arena, defineKernel } from '../../core/index.ts';
import { bindPass, FixedPass, GROUP, SOURCES } from './fixed-pass.ts';

/** Opacity logit of an unused row: far below the threshold of rendering. */
export const VACANT_LOGIT = -15;

export const SPLIT_LONG_AXIS = defineKernel({
  label: 'splat/densify/split-long-axis',
  constants: { GROUP, PENDING: SOURCES.PENDING, VACANT_LOGIT },
  example: { DISTANCE: 0.866, NARROW: 0.5, SHARE: 0.5 },
  variants: { portable: { source: new URL('./split-long-axis.wgsl', import.meta.url) } },
});

export interface SplitLongAxisOptions {
  /** Gaussians before the refinement, and after it. */
  count: number;
  rows: number;
  /** A half's scale along the longest axis, as a fraction of the original. */
  narrow: number;
  /** A half's opacity is 1 − (1 − o)^share. */
  share: number;
}

export interface SplitLongAxisBuffers {
  /** u32 [rows]: see `AssignSources`. */
  sources: GPUBuffer;
  drawn: GPUBuffer;
  quats: GPUBuffer;
  means: GPUBuffer;
  logScales: GPUBuffer;
  opacityLogits: GPUBuffer;
}

/** Separates copies and their sources along their longest axis. */
export class SplitLongAxis extends FixedPass {
  static async create(
    arena: Arena,
    { count, rows, narrow, share }: SplitLongAxisOptions,
    { sources, drawn, quats, means, logScales, opacityLogits }: SplitLongAxisBuffers,
  ): Promise<SplitLongAxis> {
    const bound = await bindPass(arena, {
      kernel: SPLIT_LONG_AXIS,
      constants: {
        DISTANCE: Math.sqrt(1 - narrow * narrow),
        NARROW: narrow,
        SHARE: share,
      },
      struct: 'Split',
      variable: 'split',
      numbers: { count, rows },
      buffers: { sources, drawn, quats, means, logScales, opacityLogits },
      threads: rows,
    });
    return new SplitLongAxis(bound);
  }
}
