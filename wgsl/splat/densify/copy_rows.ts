import { type Arena, type BoundKernel, gridFor, type Recorder } from '../../core/index.ts';
import { GROUP, SOURCES } from './constants.ts';

export interface CopyRowsOptions {
  /** Floats a row. */
  width: number;
  /** Rows `first` … `rows`−1 are looked at. */
  first: number;
  rows: number;
  /** Also zero the moments of the rows that were drawn. */
  forget: boolean;
}

export interface CopyRowsBuffers {
  /** u32 [rows]: the row to copy from, or `SOURCES.NONE`. */
  sources: GPUBuffer;
  /** u32 [rows]: how often each row was drawn. */
  drawn: GPUBuffer;
  /** f32 [rows, width]: a parameter and its moments. */
  values: GPUBuffer;
  m: GPUBuffer;
  v: GPUBuffer;
}

/** Copies a parameter's rows from their sources; copies start with zero moments. */
export class CopyRows {
  readonly #bound: BoundKernel;
  readonly #floats: number;

  private constructor(bound: BoundKernel, floats: number) {
    this.#bound = bound;
    this.#floats = floats;
  }

  static async create(arena: Arena, options: CopyRowsOptions, buffers: CopyRowsBuffers): Promise<CopyRows> {
    const { width, first, rows, forget } = options;
    const kernel = await arena.gpu.kernel({
      label: 'splat/densify/copy_rows',
      source: new URL('./copy_rows.wgsl', import.meta.url),
      constants: { GROUP, ...SOURCES, WIDTH: width },
    });
    const extent = arena.uniform('copy_rows/extent', kernel.struct('Copy').size);
    arena.gpu.write(extent, kernel.pack('Copy', { first, rows, forget: Number(forget) }), 'parameters');
    return new CopyRows(kernel.bind({ extent, ...buffers }), (rows - first) * width);
  }

  record(recorder: Recorder): void {
    recorder.run(this.#bound, gridFor(this.#floats, GROUP));
  }
}
