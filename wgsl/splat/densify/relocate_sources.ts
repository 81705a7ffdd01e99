import { type Arena, type BoundKernel, gridFor, type Recorder } from '../../core/index.ts';
import { GROUP } from './constants.ts';

/** Copies beyond which a Gaussian is shared no further: gsplat's and the authors' table of binomials ends here. */
export const MAX_RATIO = 51;

export interface RelocateSourcesBuffers {
  /** u32 [count]: how often each row was drawn. */
  drawn: GPUBuffer;
  opacityLogits: GPUBuffer;
  logScales: GPUBuffer;
}

/**
 * New opacity and scale of what was drawn (3DGS-MCMC, eq. 9; gsplat's compute_relocation). In f32 the alternating sum
 * keeps six digits for a few copies and about four for fifty copies of an opacity of 0.999.
 */
export class RelocateSources {
  readonly #bound: BoundKernel;
  readonly #count: number;

  private constructor(bound: BoundKernel, count: number) {
    this.#bound = bound;
    this.#count = count;
  }

  static async create(
    arena: Arena,
    count: number,
    minOpacity: number,
    buffers: RelocateSourcesBuffers,
  ): Promise<RelocateSources> {
    const kernel = await arena.gpu.kernel({
      label: 'splat/densify/relocate_sources',
      source: new URL('./relocate_sources.wgsl', import.meta.url),
      constants: { GROUP, MAX_RATIO },
    });
    const uniform = arena.uniform('relocate_sources/relocation', kernel.struct('Relocation').size);
    arena.gpu.write(uniform, kernel.pack('Relocation', { count, min_opacity: minOpacity }), 'parameters');
    const { drawn, opacityLogits, logScales } = buffers;
    const bound = kernel.bind({
      relocation: uniform,
      drawn,
      opacity_logits: opacityLogits,
      log_scales: logScales,
    });
    return new RelocateSources(bound, count);
  }

  record(recorder: Recorder): void {
    recorder.run(this.#bound, gridFor(this.#count, GROUP));
  }
}
