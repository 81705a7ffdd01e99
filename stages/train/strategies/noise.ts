import type { Arena, Recorder } from '../../../wgsl/core/index.ts';
import { PerturbMeans } from '../../../wgsl/splat/densify/perturb-means.ts';
import type { TrainingState } from '../../optimizer/state.ts';

/**
 * The noise of 3DGS-MCMC on the means, once a step. A step that refines owes it until the refinement is done: it then falls on the
 * new Gaussians too.
 */
export class MeansNoise {
  readonly #state: TrainingState;
  readonly #seed: number;
  readonly #arena: Arena;
  readonly #perturb: PerturbMeans;
  /** The state's version that the kernel is bound to. */
  #version = -1;
  #owed?: { step: number; scale: number };

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

  /** `scale`: rate of the noise × the means' learning rate. `owe`: the step refines. */
  recordStep(recorder: Recorder, noise: { step: number; scale: number }, owe: boolean): void {
    if (owe) this.#owed = noise;
    else this.#record(recorder, noise);
  }

  /** Behind the refinement after `step`. */
  pay(step: number): void {
    const owed = this.#owed;
    if (owed?.step !== step) throw new Error(`a refinement after step ${step}, which was not recorded`);
    this.#owed = undefined;
    this.#state.gpu.run('train/noise', (recorder) => this.#record(recorder, owed));
  }

  destroy(): void {
    this.#arena.destroy();
  }

  #record(recorder: Recorder, { step, scale }: { step: number; scale: number }): void {
    if (scale === 0) return;
    const { version, count, counts, parameters } = this.#state;
    if (this.#version !== version) {
      this.#perturb.bind({ counts, ...parameters });
      this.#version = version;
    }
    this.#perturb.record(recorder, count, { seed: this.#seed, step, scale });
  }
}
