import { type Arena, defineKernel } from '../../core/index.ts';
import { bindPass, FixedPass, GROUP } from './fixed-pass.ts';

/** Maximum number of copies in the formula: the table of binomials of gsplat and of the authors ends here. */
export const MAX_RATIO = 51;

export const RELOCATE_SOURCES = defineKernel({
  label: 'splat/densify/relocate-sources',
  constants: { GROUP, MAX_RATIO },
  variants: { portable: { source: new URL('./relocate-sources.wgsl', import.meta.url) } },
});

export interface RelocateSourcesBuffers {
  /** u32 [count]: the number of draws of each row. */
  drawn: GPUBuffer;
  opacityLogits: GPUBuffer;
  logScales: GPUBuffer;
}

/**
 * New opacity and scale of the drawn Gaussians (3DGS-MCMC, eq. 9; gsplat's compute_relocation). In f32 the alternating sum
 * keeps six digits for a few copies and about four for fifty copies of an opacity of 0.999.
 */
export class RelocateSources extends FixedPass {
  static async create(
    arena: Arena,
    count: number,
    minOpacity: number,
    { drawn, opacityLogits, logScales }: RelocateSourcesBuffers,
  ): Promise<RelocateSources> {
    const bound = await bindPass(arena, {
      kernel: RELOCATE_SOURCES,
      struct: 'Relocation',
      variable: 'relocation',
      numbers: { count, minOpacity },
      buffers: { drawn, opacityLogits, logScales },
      threads: count,
    });
    return new RelocateSources(bound);
  }
}
