import {
  type Arena,
  bindRows,
  defineKernel,
  type Gpu,
  gridFor,
  type Kernel,
  type Recorder,
  type RowWindow,
  rowWindows,
} from '../../core/index.ts';
import { GROUP } from './fixed-pass.ts';

export const GATHER_ROWS = defineKernel({
  label: 'splat/densify/gather-rows',
  constants: { GROUP },
  example: { WIDTH: 4, FRESH: true },
  variants: { portable: { source: new URL('./gather-rows.wgsl', import.meta.url) } },
});

export interface GatherRowsBuffers {
  /** u32 [rows]: for each new row, its entry in the plan. The old row is the entry modulo the old count. */
  origins: GPUBuffer;
  /** f32 [old count, width] in, [rows, width] out. */
  values: GPUBuffer;
  /** f32 [rows, width], overwritten. */
  scratch: GPUBuffer;
}

/** New rows in one window that come from old rows in another. */
interface Pass {
  to: RowWindow;
  from: RowWindow;
  extent: GPUBuffer;
}

/**
 * Replaces a buffer's rows with those that a plan lists, through a scratch buffer, so that the buffer stays the same object
 * and bind groups stay valid. Buffers larger than a binding are processed window by window (`rowWindows`), each new
 * one from each old one.
 */
export class GatherRows {
  readonly #kernels: { gather: Kernel; gatherFresh: Kernel };
  readonly #width: number;
  readonly #rows: number;
  readonly #passes: readonly Pass[];

  private constructor(
    kernels: { gather: Kernel; gatherFresh: Kernel },
    width: number,
    rows: number,
    passes: readonly Pass[],
  ) {
    this.#kernels = kernels;
    this.#width = width;
    this.#rows = rows;
    this.#passes = passes;
  }

  /** For buffers of `width` floats a row, from `count` old rows to `rows` new ones. */
  static async create(arena: Arena, width: number, count: number, rows: number): Promise<GatherRows> {
    const [gather, gatherFresh] = await Promise.all([
      gatherKernel(arena.gpu, width, false),
      gatherKernel(arena.gpu, width, true),
    ]);
    const windows = (all: number) => rowWindows(arena.gpu, all, 4 * width);
    const passes = windows(rows).flatMap((to) =>
      windows(count).map((from) => {
        const extent = arena.uniform('gather-rows/extent', gather.struct('Extent').size);
        const numbers = {
          first: to.first,
          end: to.first + to.rows,
          oldFirst: from.first,
          oldEnd: from.first + from.rows,
          count,
        };
        arena.gpu.write(extent, gather.pack('Extent', numbers), 'parameters');
        return { to, from, extent };
      }),
    );
    return new GatherRows({ gather, gatherFresh }, width, rows, passes);
  }

  /** `fresh`: rows that are copies of others start at zero instead (an optimiser's moments). */
  record(recorder: Recorder, buffers: GatherRowsBuffers, { fresh }: { fresh: boolean }): void {
    const { origins, values, scratch } = buffers;
    const kernel = fresh ? this.#kernels.gatherFresh : this.#kernels.gather;
    const rowBytes = 4 * this.#width;
    for (const { to, from, extent } of this.#passes) {
      const bound = kernel.bind({
        extent,
        origins,
        values: bindRows(values, from, rowBytes),
        gathered: bindRows(scratch, to, rowBytes),
      });
      recorder.run(bound, gridFor(to.rows * this.#width, GROUP));
    }
    recorder.copy(scratch, values, rowBytes * this.#rows);
  }
}

function gatherKernel(gpu: Gpu, width: number, fresh: boolean): Promise<Kernel> {
  return gpu.kernel(GATHER_ROWS, { constants: { WIDTH: width, FRESH: fresh } });
}
