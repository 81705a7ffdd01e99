import { InputError } from '../../../wgsl/core/index.ts';
import { Scan } from '../../../wgsl/sort/scan.ts';
import { SCAN_TOTALS } from '../../../wgsl/splat/densify/fixed-pass.ts';
import { GatherRows } from '../../../wgsl/splat/densify/gather-rows.ts';
import { PlaceRows } from '../../../wgsl/splat/densify/place-rows.ts';
import { type GrowthRules, PlanGrowth } from '../../../wgsl/splat/densify/plan-growth.ts';
import { SplitRows } from '../../../wgsl/splat/densify/split-rows.ts';
import { GAUSSIAN_PARAMETERS, parameterWidths } from '../../artefacts/gaussians.ts';
import { growState, setCount, type TrainingState } from '../../optimizer/state.ts';

/** Parts of the new splat: survivors, duplicates, first halves, second halves. */
const PARTS = 4;

export interface Growth {
  rules: GrowthRules;
  /** f32 [count, 3]: see `ScreenStatistics`. */
  statistics: GPUBuffer;
  seed: number;
  step: number;
}

/**
 * Duplicates, splits and prunes in one pass. The new order is that of gsplat's torch.cat: survivors in their order,
 * duplicates, all first halves, all second halves. Duplicates and halves start with zero moments. Reads one word back, the
 * new count, to size the state.
 */
export async function growAndPrune(state: TrainingState, growth: Growth): Promise<void> {
  const { gpu, count } = state;
  if (!count) return;
  const { rules, statistics, seed, step } = growth;
  const arena = gpu.arena('train/grow');
  try {
    const { logScales, opacityLogits } = state.parameters;
    const entries = PARTS * count;
    const parts = arena.buffer('parts', 4 * entries);
    const origins = arena.buffer('origins', 4 * entries);
    const scanTotals = arena.upload('scanTotals', new Uint32Array([entries, 0]), 'parameters');
    const plan = await PlanGrowth.create(arena, count, rules, {
      statistics,
      logScales,
      opacityLogits,
      parts,
    });
    const scan = await Scan.create(gpu, arena, {
      label: 'scan',
      // The state's capacity, not the count: kernels are compiled per capacity.
      capacity: PARTS * state.capacity,
      values: parts,
      count: scanTotals,
      countWord: SCAN_TOTALS.ENTRIES,
      total: scanTotals,
      totalWord: SCAN_TOTALS.TOTAL,
    });
    const place = await PlaceRows.create(gpu, { scanTotals, places: parts, origins });
    gpu.run('train/grow/plan', (recorder) => {
      plan.record(recorder);
      scan.record(recorder);
      place.record(recorder, entries);
    });
    const rows = (await gpu.readWords(scanTotals, 'metrics', 2))[SCAN_TOTALS.TOTAL];
    if (rows === 0) {
      throw new InputError(
        `the strategy default pruned all ${count} Gaussians after step ${step}: every opacity was below ` +
          `${rules.pruneOpacity} or every scale above ${rules.pruneScale}. Check the capture's cameras and points, ` +
          'or lower pruneOpacity',
      );
    }
    growState(state, rows);

    const widths = parameterWidths(state.shDegree);
    const scratch = arena.buffer('scratch', 4 * Math.max(...Object.values(widths)) * rows);
    const { parameters, moments } = state;
    const gathers = await Promise.all(
      GAUSSIAN_PARAMETERS.map((name) => GatherRows.create(arena, widths[name], count, rows)),
    );
    const split = await SplitRows.create(
      arena,
      { rows, count, seed, step, revisedOpacity: rules.revisedOpacity },
      { origins, ...parameters },
    );
    gpu.run('train/grow/move', (recorder) => {
      GAUSSIAN_PARAMETERS.forEach((name, i) => {
        const { m, v } = moments[name];
        gathers[i].record(recorder, { origins, values: parameters[name], scratch }, { fresh: false });
        for (const values of [m, v])
          gathers[i].record(recorder, { origins, values, scratch }, { fresh: true });
      });
      split.record(recorder);
    });
    setCount(state, rows);
  } finally {
    arena.destroy();
  }
}
