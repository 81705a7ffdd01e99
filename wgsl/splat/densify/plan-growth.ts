import { type Arena, defineKernel } from '../../core/index.ts';
import { bindPass, FixedPass, GROUP, SPLIT_SHRINK } from './fixed-pass.ts';

export const PLAN_GROWTH = defineKernel({
  label: 'splat/densify/plan-growth',
  constants: { GROUP, SPLIT_SHRINK },
  example: { REVISED_OPACITY: true },
  variants: { portable: { source: new URL('./plan-growth.wgsl', import.meta.url) } },
});

/** Thresholds of growing and pruning. Infinity turns one off. */
export interface GrowthRules {
  /** Mean screen gradient above which a Gaussian grows. */
  growGradient: number;
  /** Largest scale up to which it is duplicated rather than split, world units. */
  smallScale: number;
  /** Screen radius above which it is always split, as a fraction of the longer image side. */
  splitRadius: number;
  pruneOpacity: number;
  /** World units. */
  pruneScale: number;
  /** Fraction of the longer image side. */
  pruneRadius: number;
  /** Halves of a split get opacity 1 − √(1 − o) (Bulò et al., arXiv:2404.06109) instead of o. */
  revisedOpacity: boolean;
}

export interface PlanGrowthBuffers {
  /** f32 [count, 3]: see `ScreenStatistics`. */
  statistics: GPUBuffer;
  logScales: GPUBuffer;
  opacityLogits: GPUBuffer;
  /** u32 [4·count], written: rows (0 or 1) among the survivors, the duplicates, the first and the second halves. */
  parts: GPUBuffer;
}

/** The largest WGSL literal; no opacity, radius or scale is as large. */
const NO_LIMIT = 3e38;

/** The decisions of gsplat's DefaultStrategy: `_grow_gs`, then `_prune_gs` on its result. */
export class PlanGrowth extends FixedPass {
  static async create(
    arena: Arena,
    count: number,
    rules: GrowthRules,
    { statistics, logScales, opacityLogits, parts }: PlanGrowthBuffers,
  ): Promise<PlanGrowth> {
    const bound = await bindPass(arena, {
      kernel: PLAN_GROWTH,
      constants: { REVISED_OPACITY: rules.revisedOpacity },
      struct: 'Rules',
      variable: 'rules',
      numbers: {
        count,
        growGradient: Math.min(rules.growGradient, NO_LIMIT),
        smallScale: Math.min(rules.smallScale, NO_LIMIT),
        splitRadius: Math.min(rules.splitRadius, NO_LIMIT),
        pruneOpacity: rules.pruneOpacity,
        pruneScale: Math.min(rules.pruneScale, NO_LIMIT),
        pruneRadius: Math.min(rules.pruneRadius, NO_LIMIT),
      },
      buffers: { statistics, logScales, opacityLogits, parts },
      threads: count,
    });
    return new PlanGrowth(bound);
  }
}
