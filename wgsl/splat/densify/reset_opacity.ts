import { type Arena, type BoundKernel, gridFor, type Recorder } from '../../core/index.ts';
import { GROUP } from './constants.ts';

export interface ResetOpacityBuffers {
  opacityLogits: GPUBuffer;
  /** Adam's moments of the opacity logits. */
  m: GPUBuffer;
  v: GPUBuffer;
}

/** Lowers the opacities of `count` Gaussians to at most `opacity` and zeroes their moments, as gsplat's `reset_opa`. */
export class ResetOpacity {
  readonly #bound: BoundKernel;
  readonly #count: number;

  private constructor(bound: BoundKernel, count: number) {
    this.#bound = bound;
    this.#count = count;
  }

  static async create(
    arena: Arena,
    count: number,
    opacity: number,
    buffers: ResetOpacityBuffers,
  ): Promise<ResetOpacity> {
    const kernel = await arena.gpu.kernel({
      label: 'splat/densify/reset_opacity',
      source: new URL('./reset_opacity.wgsl', import.meta.url),
      constants: { GROUP },
    });
    const uniform = arena.uniform('reset_opacity/reset', kernel.struct('Reset').size);
    const packed = kernel.pack('Reset', { count, highest_logit: Math.log(opacity / (1 - opacity)) });
    arena.gpu.write(uniform, packed, 'parameters');
    const { opacityLogits, m, v } = buffers;
    return new ResetOpacity(kernel.bind({ reset: uniform, opacity_logits: opacityLogits, m, v }), count);
  }

  record(recorder: Recorder): void {
    recorder.run(this.#bound, gridFor(this.#count, GROUP));
  }
}
