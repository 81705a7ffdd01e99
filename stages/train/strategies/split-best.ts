import { RadixSort } from '../../../wgsl/sort/radix-sort.ts';
import { Scan } from '../../../wgsl/sort/scan.ts';
import { AssignSources } from '../../../wgsl/splat/densify/assign-sources.ts';
import { CopyRows } from '../../../wgsl/splat/densify/copy-rows.ts';
import { SCAN_TOTALS } from '../../../wgsl/splat/densify/fixed-pass.ts';
import { SplitLongAxis } from '../../../wgsl/splat/densify/split-long-axis.ts';
import { SplitScores } from '../../../wgsl/splat/densify/split-scores.ts';
import { GAUSSIAN_PARAMETERS, parameterWidths } from '../../artefacts/gaussians.ts';
import { growState, setCount, type TrainingState } from '../../optimizer/state.ts';

export interface Splits {
  /** f32 [count, 3]: see `ScreenStatistics`. */
  statistics: GPUBuffer;
  /** The number of Gaussians afterwards, at least the present number. */
  rows: number;
  /** Rows that the state may grow to. */
  cap: number;
  /** Gaussians of at most this opacity, or visible in fewer steps since the last refinement, are replaced. */
  minOpacity: number;
  minViews: number;
  /** See `SplitLongAxis`. */
  narrow: number;
  share: number;
}

/**
 * Splits the Gaussians with the highest mean screen gradient, each once: one half stays in its row, the other takes the row
 * of a replaced Gaussian or a new row up to `rows`. New rows without a source stay transparent until the next refinement.
 * Halves start with zero moments. No readback.
 */
export async function splitBest(state: TrainingState, splits: Splits): Promise<void> {
  const { gpu, count } = state;
  if (!count) return;
  const { statistics, rows, cap, minOpacity } = splits;
  growState(state, rows, cap);
  const { capacity, parameters, moments } = state;
  const { means, logScales, quats, opacityLogits } = parameters;
  const arena = gpu.arena('train/split');
  try {
    const keys = arena.buffer('keys', 4 * capacity);
    const values = arena.buffer('values', 4 * capacity);
    const dead = arena.buffer('dead', 4 * count);
    const sources = arena.buffer('sources', 4 * rows);
    const drawn = arena.buffer('drawn', 4 * rows);
    const scanTotals = arena.upload('scanTotals', new Uint32Array([count, 0]), 'parameters');
    const score = await SplitScores.create(
      arena,
      { count, deadOpacity: minOpacity, minViews: splits.minViews },
      { statistics, opacityLogits, keys, dead },
    );
    const scan = await Scan.create(gpu, arena, {
      label: 'scan',
      capacity, // not the count: kernels are compiled per capacity
      values: dead,
      count: scanTotals,
      countWord: SCAN_TOTALS.ENTRIES,
      total: scanTotals,
      totalWord: SCAN_TOTALS.TOTAL,
    });
    const sort = await RadixSort.create(gpu, arena, {
      label: 'sort',
      capacity,
      keys,
      values,
      identityValues: true,
      count: scanTotals,
      countWord: SCAN_TOTALS.ENTRIES,
      bits: 32,
    });
    const assign = await AssignSources.create(
      arena,
      { count, rows },
      {
        scanTotals,
        deadBefore: dead,
        sortedKeys: sort.sortedKeys,
        sortedRows: sort.sortedValues,
        sources,
        drawn,
      },
    );
    const widths = parameterWidths(state.shDegree);
    const copies = await Promise.all(
      GAUSSIAN_PARAMETERS.map((name) =>
        CopyRows.create(
          arena,
          { width: widths[name], first: 0, rows, forget: true },
          { sources, drawn, values: parameters[name], ...moments[name] },
        ),
      ),
    );
    const split = await SplitLongAxis.create(
      arena,
      { count, rows, narrow: splits.narrow, share: splits.share },
      { sources, drawn, quats, means, logScales, opacityLogits },
    );
    gpu.run('train/split', (recorder) => {
      for (const kernel of [score, scan, sort, assign, ...copies, split]) kernel.record(recorder);
    });
    setCount(state, rows);
  } finally {
    arena.destroy();
  }
}
