import type { Arena, Recorder } from '../../../wgsl/core/index.ts';
import { ScreenStatistics, STATISTICS_WIDTH } from '../../../wgsl/splat/densify/screen-statistics.ts';
import type { CheckpointTensors } from '../../optimizer/checkpoint-tensors.ts';
import type { TrainingState } from '../../optimizer/state.ts';

/** Screen statistics of each Gaussian since the last refinement. Reset to zero when the state's buffers are replaced. */
export class RefinementStatistics {
  readonly #state: TrainingState;
  readonly #arena: Arena;
  readonly #collect: ScreenStatistics;
  #buffer!: GPUBuffer;
  /** The state's version that the buffer and the binding belong to. */
  #version = -1;

  private constructor(state: TrainingState, arena: Arena, collect: ScreenStatistics) {
    this.#state = state;
    this.#arena = arena;
    this.#collect = collect;
  }

  static async create(state: TrainingState): Promise<RefinementStatistics> {
    const collect = await ScreenStatistics.create(state.gpu);
    return new RefinementStatistics(state, state.gpu.arena('train/statistics'), collect);
  }

  /** f32 [capacity, 3]: see `ScreenStatistics`. */
  get buffer(): GPUBuffer {
    this.#follow();
    return this.#buffer;
  }

  /** Adds the step that is being recorded. */
  record(recorder: Recorder): void {
    this.#follow();
    this.#collect.record(recorder, this.#state.count);
  }

  reset(): void {
    const { buffer } = this;
    this.#state.gpu.run('train/statistics/reset', (recorder) => recorder.clear(buffer));
  }

  checkpointTensors(): CheckpointTensors {
    return { statistics: { buffer: this.buffer, bytes: 4 * STATISTICS_WIDTH * this.#state.count } };
  }

  destroy(): void {
    this.#arena.destroy();
  }

  #follow(): void {
    const { version, capacity, gaussianCount, screen } = this.#state;
    if (this.#version === version) return;
    this.#arena.destroy();
    this.#buffer = this.#arena.buffer('statistics', 4 * STATISTICS_WIDTH * capacity);
    this.#collect.bind({ gaussianCount, screen, statistics: this.#buffer });
    this.#version = version;
  }
}
