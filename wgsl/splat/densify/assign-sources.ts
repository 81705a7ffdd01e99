import { type Arena, defineKernel } from '../../core/index.ts';
import { bindPass, FixedPass, GROUP, SCAN_TOTALS, SOURCES } from './fixed-pass.ts';
import { LAST_KEY } from './split-scores.ts';

export const ASSIGN_SOURCES = defineKernel({
  label: 'splat/densify/assign-sources',
  constants: { GROUP, ...SOURCES, ...SCAN_TOTALS, LAST: LAST_KEY },
  variants: { portable: { source: new URL('./assign-sources.wgsl', import.meta.url) } },
});

export interface AssignSourcesBuffers {
  /** u32: see `SCAN_TOTALS`; the number of dead rows. */
  scanTotals: GPUBuffer;
  /** u32 [count]: exclusive prefix sum of the dead flags. */
  deadBefore: GPUBuffer;
  /** u32 [count]: the keys of `SplitScores` in order, and their rows. */
  sortedKeys: GPUBuffer;
  sortedRows: GPUBuffer;
  /** u32 [rows], written: the row to split, or `SOURCES.NONE`. */
  sources: GPUBuffer;
  /** u32 [rows], all 0: 1 is written where a row is a source. */
  drawn: GPUBuffer;
}

/** Assigns a source, in order of falling score, to each dead row below `count` and to each row from `count` to `rows`. */
export class AssignSources extends FixedPass {
  static async create(
    arena: Arena,
    { count, rows }: { count: number; rows: number },
    { scanTotals, deadBefore, sortedKeys, sortedRows, sources, drawn }: AssignSourcesBuffers,
  ): Promise<AssignSources> {
    const bound = await bindPass(arena, {
      kernel: ASSIGN_SOURCES,
      struct: 'Assignment',
      variable: 'assignment',
      numbers: { count, rows },
      buffers: {
        scanTotals,
        deadBefore,
        sortedKeys,
        sortedRows,
        sources,
        drawn,
      },
      threads: rows,
    });
    return new AssignSources(bound);
  }
}
