import { type BoundKernel, type Gpu, loopingGrid, type Recorder } from '../core/index.ts';
import type { SplatBuffers } from './types.ts';

const SIZE = 256;
const MAX_GROUPS = 2048;

/** Pulls opacities and scales down a little, so that Gaussians that nothing holds disappear (3DGS-MCMC, eq. 8). */
export class Regularize {
  readonly #bound: BoundKernel;
  readonly #groups: readonly [number, number, number];

  private constructor(gpu: Gpu, bound: BoundKernel, rows: number) {
    this.#bound = bound;
    this.#groups = loopingGrid(gpu, rows, SIZE, MAX_GROUPS);
  }

  /** `weights` of mean(sigmoid(opacityLogits)) and of mean(exp(logScales)) in the loss. Adds to `gradients`. */
  static async create(
    gpu: Gpu,
    buffers: { counts: GPUBuffer; rows: number; splat: SplatBuffers; gradients: SplatBuffers },
    weights: { opacity: number; scale: number },
  ): Promise<Regularize> {
    const { counts, rows, splat, gradients } = buffers;
    const kernel = await gpu.kernel({
      label: 'splat/regularize',
      source: new URL('./regularize.wgsl', import.meta.url),
      constants: { SIZE, OPACITY: weights.opacity, SCALE: weights.scale },
    });
    const bound = kernel.bind({
      counts,
      opacityLogits: splat.opacityLogits,
      logScales: splat.logScales,
      gradOpacityLogits: gradients.opacityLogits,
      gradLogScales: gradients.logScales,
    });
    return new Regularize(gpu, bound, rows);
  }

  record(recorder: Recorder): void {
    recorder.run(this.#bound, this.#groups);
  }
}
