import { type Arena, type BoundKernel, gridFor, RANDOM, type Recorder } from '../../core/index.ts';
import { GROUP, SOURCES, WORDS } from './constants.ts';
import type { Draw } from './sampling_weights.ts';

export interface DrawSourcesBuffers {
  /** u32: see `WORDS`; the sum of the weights. */
  words: GPUBuffer;
  /** u32 [count]: exclusive prefix sum of the weights. */
  before: GPUBuffer;
  /** u32 [rows]: rows that are `PENDING` get their source. */
  sources: GPUBuffer;
  /** u32 [rows]: one is added per draw. */
  drawn: GPUBuffer;
}

/** A multinomial sample with replacement, one source per waiting row; row and step name its random number. */
export class DrawSources {
  readonly #bound: BoundKernel;
  readonly #rows: number;

  private constructor(bound: BoundKernel, rows: number) {
    this.#bound = bound;
    this.#rows = rows;
  }

  static async create(
    arena: Arena,
    draw: Omit<Draw, 'deadOpacity'>,
    buffers: DrawSourcesBuffers,
  ): Promise<DrawSources> {
    const { count, rows, seed, step } = draw;
    const kernel = await arena.gpu.kernel({
      label: 'splat/densify/draw_sources',
      source: new URL('./draw_sources.wgsl', import.meta.url),
      constants: { GROUP, ...SOURCES, ...WORDS, PURPOSE: RANDOM.relocate },
    });
    const uniform = arena.uniform('draw_sources/draw', kernel.struct('Draw').size);
    arena.gpu.write(uniform, kernel.pack('Draw', { count, rows, seed, step }), 'parameters');
    return new DrawSources(kernel.bind({ draw: uniform, ...buffers }), rows);
  }

  record(recorder: Recorder): void {
    recorder.run(this.#bound, gridFor(this.#rows, GROUP));
  }
}
