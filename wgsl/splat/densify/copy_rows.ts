import type { Arena } from '../../core/index.ts';
import { SOURCES } from './constants.ts';
import { bindPass, FixedPass } from './fixed_pass.ts';

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
export class CopyRows extends FixedPass {
  static async create(
    arena: Arena,
    { width, first, rows, forget }: CopyRowsOptions,
    buffers: CopyRowsBuffers,
  ): Promise<CopyRows> {
    const bound = await bindPass(arena, {
      name: 'copy_rows',
      constants: { ...SOURCES, WIDTH: width },
      struct: 'Copy',
      variable: 'extent',
      numbers: { first, rows, forget: Number(forget) },
      buffers: { ...buffers },
      threads: (rows - first) * width,
    });
    return new CopyRows(bound);
  }
}
