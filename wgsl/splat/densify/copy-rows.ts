import { type Arena, bindRows, defineKernel, rowWindows } from '../../core/index.ts';
import { bindPass, FixedPass, GROUP, SOURCES } from './fixed-pass.ts';

export const COPY_ROWS = defineKernel({
  label: 'splat/densify/copy-rows',
  constants: { GROUP, ...SOURCES },
  example: { WIDTH: 4, ACROSS: true },
  variants: { portable: { source: new URL('./copy-rows.wgsl', import.meta.url) } },
});

export interface CopyRowsOptions {
  /** Floats a row. */
  width: number;
  /** Range of rows: `first` … `rows`−1. */
  first: number;
  rows: number;
  /** Also zero the moments of the source rows. */
  forget: boolean;
}

export interface CopyRowsBuffers {
  /** u32 [rows]: the row to copy from, or `SOURCES.NONE`. */
  sources: GPUBuffer;
  /** u32 [rows]: the number of draws of each row. */
  drawn: GPUBuffer;
  /** f32 [rows, width]: a parameter and its moments. */
  values: GPUBuffer;
  m: GPUBuffer;
  v: GPUBuffer;
}

/**
 * Copies a parameter's rows from their sources; copies start with zero moments. Buffers larger than a binding are processed
 * window by window (`rowWindows`), each from itself and from every other one.
 */
export class CopyRows extends FixedPass {
  static async create(arena: Arena, options: CopyRowsOptions, buffers: CopyRowsBuffers): Promise<CopyRows> {
    const { width, first, rows, forget } = options;
    const { sources, drawn, values, m, v } = buffers;
    const windows = rowWindows(arena.gpu, rows, 4 * width);
    const none = arena.buffer('copy-rows/none', 4);
    const passes = windows
      .filter((to) => to.first + to.rows > first)
      .flatMap((to) => windows.map((from) => ({ to, from })));
    const bound = await Promise.all(
      passes.map(({ to, from }) => {
        const begin = Math.max(first, to.first);
        const of = (buffer: GPUBuffer, window = to) => bindRows(buffer, window, 4 * width);
        return bindPass(arena, {
          kernel: COPY_ROWS,
          constants: { WIDTH: width, ACROSS: from !== to },
          struct: 'Copy',
          variable: 'extent',
          numbers: {
            base: to.first,
            first: begin,
            rows: to.first + to.rows,
            sourceFirst: from.first,
            sourceEnd: from.first + from.rows,
            forget: Number(forget),
          },
          buffers: {
            sources,
            drawn,
            values: of(values),
            m: of(m),
            v: of(v),
            others: from === to ? none : of(values, from),
          },
          threads: (to.first + to.rows - begin) * width,
        });
      }),
    );
    return new CopyRows(...bound);
  }
}
