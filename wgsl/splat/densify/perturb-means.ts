import {
  type Arena,
  type BoundKernel,
  defineKernel,
  gridFor,
  type Kernel,
  RANDOM,
  type Recorder,
} from '../../core/index.ts';
import { GROUP } from './fixed-pass.ts';

/** The gate 1 / (1 + e^(k(o − t))) of gsplat's inject_noise_to_position: k, and the opacity t at which it is 0.5. */
export const NOISE_GATE = { GATE_STEEPNESS: 100, GATE_OPACITY: 0.005 } as const;

export const PERTURB_MEANS = defineKernel({
  label: 'splat/densify/perturb-means',
  constants: { GROUP, ...NOISE_GATE, PURPOSE: RANDOM.noise },
  variants: { portable: { source: new URL('./perturb-means.wgsl', import.meta.url) } },
});

export interface PerturbMeansBuffers {
  /** u32: the number of Gaussians; 0 in a void step. */
  gaussianCount: GPUBuffer;
  means: GPUBuffer;
  logScales: GPUBuffer;
  quats: GPUBuffer;
  opacityLogits: GPUBuffer;
}

/** The noise of `mcmc` on the means. Does nothing in a void step. */
export class PerturbMeans {
  readonly #arena: Arena;
  readonly #kernel: Kernel;
  readonly #noise: GPUBuffer;
  #bound?: BoundKernel;

  private constructor(arena: Arena, kernel: Kernel, noise: GPUBuffer) {
    this.#arena = arena;
    this.#kernel = kernel;
    this.#noise = noise;
  }

  static async create(arena: Arena): Promise<PerturbMeans> {
    const kernel = await arena.gpu.kernel(PERTURB_MEANS);
    return new PerturbMeans(arena, kernel, arena.uniform('perturb-means/noise', kernel.struct('Noise').size));
  }

  /** Call before the first record, and whenever a buffer was replaced. */
  bind({ gaussianCount, means, logScales, quats, opacityLogits }: PerturbMeansBuffers): void {
    this.#bound = this.#kernel.bind({
      noise: this.#noise,
      gaussianCount,
      means,
      logScales,
      quats,
      opacityLogits,
    });
  }

  /**
   * `scale`: noise rate × the means' learning rate. Writes the step's numbers at once, so a recorder may contain this once
   * and must be submitted before the next is recorded.
   */
  record(recorder: Recorder, count: number, options: { seed: number; step: number; scale: number }): void {
    if (!this.#bound) throw new Error(`${this.#kernel.label} records before it was bound`);
    this.#arena.gpu.write(this.#noise, this.#kernel.pack('Noise', options), 'parameters');
    recorder.run(this.#bound, gridFor(count, GROUP));
  }
}
