import { type BoundKernel, type Gpu, gridFor, type Recorder } from '../../core/index.ts';
import { COUNTS, GROUP } from './constants.ts';

/** f32 words of a Gaussian's statistics: Σ screen gradient, views that saw it, largest radius. */
export const STATISTICS_WIDTH = 3;

export interface ScreenStatisticsBuffers {
  /** u32: see `COUNTS`. */
  counts: GPUBuffer;
  /** f32 [rows, 2]: gradient length and radius on the screen in this step, 0 where not visible. */
  screen: GPUBuffer;
  /** f32 [rows, 3]: what accumulates. */
  statistics: GPUBuffer;
}

/** Accumulates what one view says of each Gaussian, as gsplat's DefaultStrategy does. Does nothing in a void step. */
export class ScreenStatistics {
  readonly #bound: BoundKernel;

  private constructor(bound: BoundKernel) {
    this.#bound = bound;
  }

  static async create(gpu: Gpu, buffers: ScreenStatisticsBuffers): Promise<ScreenStatistics> {
    const kernel = await gpu.kernel({
      label: 'splat/densify/screen_statistics',
      source: new URL('./screen_statistics.wgsl', import.meta.url),
      constants: { GROUP, ...COUNTS },
    });
    return new ScreenStatistics(kernel.bind({ ...buffers }));
  }

  record(recorder: Recorder, count: number): void {
    recorder.run(this.#bound, gridFor(count, GROUP));
  }
}
