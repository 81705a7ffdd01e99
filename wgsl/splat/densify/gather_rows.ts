import { type Arena, type Gpu, gridFor, type Kernel, type Recorder } from '../../core/index.ts';
import { GROUP } from './constants.ts';

export interface GatherRowsBuffers {
  /** u32 [rows]: for each new row, its entry in the plan; the old row is that modulo the old count. */
  origins: GPUBuffer;
  /** f32 [old count, width] in, [rows, width] out. */
  values: GPUBuffer;
  /** f32 [rows, width], overwritten. */
  scratch: GPUBuffer;
}

/**
 * Replaces a buffer's rows by those that a plan lists, through a scratch buffer, so that the buffer stays the same object
 * and whoever is bound to it need not bind again.
 */
export class GatherRows {
  readonly #kernels: { kept: Kernel; fresh: Kernel };
  readonly #width: number;
  readonly #rows: number;
  readonly #extent: GPUBuffer;

  private constructor(
    kernels: { kept: Kernel; fresh: Kernel },
    width: number,
    rows: number,
    extent: GPUBuffer,
  ) {
    this.#kernels = kernels;
    this.#width = width;
    this.#rows = rows;
    this.#extent = extent;
  }

  /** For buffers of `width` floats a row, from `count` old rows to `rows` new ones. */
  static async create(arena: Arena, width: number, count: number, rows: number): Promise<GatherRows> {
    const [kept, fresh] = await Promise.all([
      gatherKernel(arena.gpu, width, false),
      gatherKernel(arena.gpu, width, true),
    ]);
    const extent = arena.uniform('gather_rows/extent', kept.struct('Extent').size);
    arena.gpu.write(extent, kept.pack('Extent', { rows, count }), 'parameters');
    return new GatherRows({ kept, fresh }, width, rows, extent);
  }

  /** `fresh`: rows that are copies of others start at zero instead (an optimiser's moments). */
  record(recorder: Recorder, buffers: GatherRowsBuffers, { fresh }: { fresh: boolean }): void {
    const { origins, values, scratch } = buffers;
    const kernel = fresh ? this.#kernels.fresh : this.#kernels.kept;
    const floats = this.#rows * this.#width;
    recorder
      .run(kernel.bind({ extent: this.#extent, origins, values, gathered: scratch }), gridFor(floats, GROUP))
      .copy(scratch, values, 4 * floats);
  }
}

function gatherKernel(gpu: Gpu, width: number, fresh: boolean): Promise<Kernel> {
  return gpu.kernel({
    label: 'splat/densify/gather_rows',
    source: new URL('./gather_rows.wgsl', import.meta.url),
    constants: { GROUP, WIDTH: width, FRESH: fresh },
  });
}
