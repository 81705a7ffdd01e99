import { type Arena, defineKernel } from '../../core/index.ts';
import { bindPass, FixedPass, GROUP } from './fixed-pass.ts';

/** The key of a row without a score: the bits of infinity, above those of every float. Other keys are this minus the score's bits. */
export const LAST_KEY = 0x7f800000;

export const SPLIT_SCORES = defineKernel({
  label: 'splat/densify/split-scores',
  constants: { GROUP, LAST: LAST_KEY },
  variants: { portable: { source: new URL('./split-scores.wgsl', import.meta.url) } },
});

export interface SplitScoresOptions {
  count: number;
  /** Opacity up to which a row is dead; −1: none is. */
  deadOpacity: number;
  /** Minimum number of steps in which a row was visible; may be fractional. */
  minViews: number;
}

export interface SplitScoresBuffers {
  /** f32 [count, 3]: see `ScreenStatistics`. */
  statistics: GPUBuffer;
  opacityLogits: GPUBuffer;
  /** u32 [count], written: the higher a row's score, the lower its key; `LAST_KEY` without one. */
  keys: GPUBuffer;
  /** u32 [count], written: 1 for dead rows, otherwise 0. */
  dead: GPUBuffer;
}

/** Scores Gaussians by their mean screen gradient. */
export class SplitScores extends FixedPass {
  static async create(
    arena: Arena,
    { count, deadOpacity, minViews }: SplitScoresOptions,
    { statistics, opacityLogits, keys, dead }: SplitScoresBuffers,
  ): Promise<SplitScores> {
    const bound = await bindPass(arena, {
      kernel: SPLIT_SCORES,
      struct: 'Scores',
      variable: 'scores',
      numbers: { count, deadOpacity, minViews },
      buffers: { statistics, opacityLogits, keys, dead },
      threads: count,
    });
    return new SplitScores(bound);
  }
}
