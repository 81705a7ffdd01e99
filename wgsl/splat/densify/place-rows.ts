import { type BoundKernel, defineKernel, type Gpu, gridFor, type Recorder } from '../../core/index.ts';
import { GROUP, SCAN_TOTALS } from './fixed-pass.ts';

export const PLACE_ROWS = defineKernel({
  label: 'splat/densify/place-rows',
  constants: { GROUP, ...SCAN_TOTALS },
  variants: { portable: { source: new URL('./place-rows.wgsl', import.meta.url) } },
});

export interface PlaceRowsBuffers {
  /** u32: see `SCAN_TOTALS`. */
  scanTotals: GPUBuffer;
  /** u32 [entries]: exclusive prefix sum of marks that are 0 or 1. */
  places: GPUBuffer;
  /** u32 [total], written: the marked entries, ascending. */
  origins: GPUBuffer;
}

/** Compacts the marked entries in order, so that every run gives the same list. */
export class PlaceRows {
  readonly #bound: BoundKernel;

  private constructor(bound: BoundKernel) {
    this.#bound = bound;
  }

  static async create(gpu: Gpu, buffers: PlaceRowsBuffers): Promise<PlaceRows> {
    const kernel = await gpu.kernel(PLACE_ROWS);
    return new PlaceRows(kernel.bind({ ...buffers }));
  }

  record(recorder: Recorder, entries: number): void {
    recorder.run(this.#bound, gridFor(entries, GROUP));
  }
}
