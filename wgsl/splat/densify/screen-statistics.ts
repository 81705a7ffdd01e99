import {
  type BoundKernel,
  defineKernel,
  type Gpu,
  gridFor,
  type Kernel,
  type Recorder,
} from '../../core/index.ts';
import { GROUP } from './fixed-pass.ts';

export const SCREEN_STATISTICS = defineKernel({
  label: 'splat/densify/screen-statistics',
  constants: { GROUP },
  variants: { portable: { source: new URL('./screen-statistics.wgsl', import.meta.url) } },
});

/** f32 scanTotals of a Gaussian's statistics: Σ screen gradient, views that saw it, largest radius. */
export const STATISTICS_WIDTH = 3;

export interface ScreenStatisticsBuffers {
  /** u32: the number of Gaussians; 0 in a void step. */
  gaussianCount: GPUBuffer;
  /** f32 [rows, 2]: gradient length and radius on the screen in this step, 0 where not visible. */
  screen: GPUBuffer;
  /** f32 [rows, 3]: the accumulated statistics. */
  statistics: GPUBuffer;
}

/** Accumulates each Gaussian's statistics of one view, as in gsplat's DefaultStrategy. Does nothing in a void step. */
export class ScreenStatistics {
  readonly #kernel: Kernel;
  #bound?: BoundKernel;

  private constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  static async create(gpu: Gpu): Promise<ScreenStatistics> {
    const kernel = await gpu.kernel(SCREEN_STATISTICS);
    return new ScreenStatistics(kernel);
  }

  /** Call before the first record, and whenever a buffer was replaced. */
  bind(buffers: ScreenStatisticsBuffers): void {
    this.#bound = this.#kernel.bind({ ...buffers });
  }

  record(recorder: Recorder, count: number): void {
    if (!this.#bound) throw new Error(`${this.#kernel.label} records before it was bound`);
    recorder.run(this.#bound, gridFor(count, GROUP));
  }
}
