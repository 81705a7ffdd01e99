import { type Arena, defineKernel, RANDOM } from '../../core/index.ts';
import { bindPass, FixedPass, GROUP, SCAN_TOTALS, SOURCES } from './fixed-pass.ts';
import type { Draw } from './sampling-weights.ts';

export const DRAW_SOURCES = defineKernel({
  label: 'splat/densify/draw-sources',
  constants: { GROUP, ...SOURCES, ...SCAN_TOTALS, PURPOSE: RANDOM.relocate },
  variants: { portable: { source: new URL('./draw-sources.wgsl', import.meta.url) } },
});

export interface DrawSourcesBuffers {
  /** u32: see `SCAN_TOTALS`; the sum of the weights. */
  scanTotals: GPUBuffer;
  /** u32 [count]: exclusive prefix sum of the weights. */
  before: GPUBuffer;
  /** u32 [rows]: `PENDING` is replaced by the source. */
  sources: GPUBuffer;
  /** u32 [rows]: incremented per draw. */
  drawn: GPUBuffer;
}

/** A multinomial sample with replacement, one source per pending row; its random number is a function of row and step. */
export class DrawSources extends FixedPass {
  static async create(
    arena: Arena,
    { count, rows, seed, step }: Omit<Draw, 'deadOpacity'>,
    buffers: DrawSourcesBuffers,
  ): Promise<DrawSources> {
    const bound = await bindPass(arena, {
      kernel: DRAW_SOURCES,
      struct: 'Draw',
      variable: 'draw',
      numbers: { count, rows, seed, step },
      buffers: { ...buffers },
      threads: rows,
    });
    return new DrawSources(bound);
  }
}
