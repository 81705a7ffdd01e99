import type { Arena, Recorder } from '../../../wgsl/core/index.ts';
import { PerturbMeans } from '../../../wgsl/splat/densify/perturb-means.ts';
import type { TrainingState } from '../../optimizer/state.ts';

interface Noise {
  step: number;
  /** Rate of the noise × the means' learning rate. */
  scale: number;
}

/**
 * The noise of 3DGS-MCMC on the means, once per step. A refinement step defers its noise until the refinement is done, so
 * that new Gaussians receive it too.
 */
export class MeansNoise {
  readonly #state: TrainingState;
  readonly #seed: number;
  readonly #arena: Arena;
  readonly #perturb: PerturbMeans;
  /** The state's version that the kernel is bound to. */
  #version = -1;
  #deferred?: Noise;

  private constructor(state: TrainingState, seed: number, arena: Arena, perturb: PerturbMeans) {
    this.#state = state;
    this.#seed = seed;
    this.#arena = arena;
    this.#perturb = perturb;
  }

  static async create(state: TrainingState, seed: number): Promise<MeansNoise> {
    const arena = state.gpu.arena('train/noise');
    try {
      return new MeansNoise(state, seed, arena, await PerturbMeans.create(arena));
    } catch (error) {
      arena.destroy();
      throw error;
    }
  }

  /** Records the step's noise, or defers it to `flush` if the step refines. */
  recordStep(recorder: Recorder, noise: Noise, defer: boolean): void {
    if (defer) this.#deferred = noise;
    else this.#record(recorder, noise);
  }

  /** Submits the deferred noise of `step`, after its refinement. */
  flush(step: number): void {
    const deferred = this.#deferred;
    if (deferred?.step !== step)
      throw new Error(`no noise was deferred for the refinement after step ${step}`);
    this.#deferred = undefined;
    this.#state.gpu.run('train/noise', (recorder) => this.#record(recorder, deferred));
  }

  destroy(): void {
    this.#arena.destroy();
  }

  #record(recorder: Recorder, { step, scale }: Noise): void {
    if (scale === 0) return;
    const { version, count, gaussianCount, parameters } = this.#state;
    if (this.#version !== version) {
      this.#perturb.bind({ gaussianCount, ...parameters });
      this.#version = version;
    }
    this.#perturb.record(recorder, count, { seed: this.#seed, step, scale });
  }
}
