import { type Arena, defineKernel } from '../../core/index.ts';
import { bindPass, FixedPass, GROUP } from './fixed-pass.ts';

export const RESET_OPACITY = defineKernel({
  label: 'splat/densify/reset-opacity',
  constants: { GROUP },
  variants: { portable: { source: new URL('./reset-opacity.wgsl', import.meta.url) } },
});

export interface ResetOpacityBuffers {
  opacityLogits: GPUBuffer;
  /** Adam's moments of the opacity logits. */
  m: GPUBuffer;
  v: GPUBuffer;
}

/** Lowers the opacities of `count` Gaussians to at most `opacity` and zeroes their moments, as gsplat's `reset_opa`. */
export class ResetOpacity extends FixedPass {
  static async create(
    arena: Arena,
    count: number,
    opacity: number,
    { opacityLogits, m, v }: ResetOpacityBuffers,
  ): Promise<ResetOpacity> {
    const bound = await bindPass(arena, {
      kernel: RESET_OPACITY,
      struct: 'Reset',
      variable: 'reset',
      numbers: { count, highestLogit: Math.log(opacity / (1 - opacity)) },
      buffers: { opacityLogits, m, v },
      threads: count,
    });
    return new ResetOpacity(bound);
  }
}
