import { InputError } from '../../wgsl/core/index.ts';
import { Scan } from '../../wgsl/sort/scan.ts';
import { SCAN_TOTALS } from '../../wgsl/splat/densify/fixed-pass.ts';
import { GatherRows } from '../../wgsl/splat/densify/gather-rows.ts';
import { PlaceRows } from '../../wgsl/splat/densify/place-rows.ts';
import { insideMasks } from '../../wgsl/splat/edit/outside-masks.ts';
import type { View } from '../artefacts/dataset.ts';
import { GAUSSIAN_PARAMETERS, parameterWidths } from '../artefacts/gaussians.ts';
import { setCount, type TrainingState } from '../optimizer/state.ts';

/**
 * Removes the Gaussians that lie outside the masks of the views (`insideMasks`); views without a mask count as all inside. The others
 * keep their order. Reads one word back. Call it between steps; moments of the moved rows stay behind, so only before the first step or
 * after the last. Returns the number of removed Gaussians.
 * @throws InputError when none is left.
 */
export async function removeOutsideMasks(state: TrainingState, views: readonly View[]): Promise<number> {
  const { gpu, count, parameters } = state;
  if (!count) return 0;
  const arena = gpu.arena('train/outside-masks');
  try {
    const masked = views.map(({ camera, image }) => ({ camera, photo: image! }));
    const kept = await insideMasks(arena, { means: parameters.means, count }, masked);
    const scanTotals = arena.upload('scanTotals', new Uint32Array([count, 0]), 'parameters');
    const scan = await Scan.create(gpu, arena, {
      label: 'scan',
      capacity: count,
      values: kept,
      count: scanTotals,
      countWord: SCAN_TOTALS.ENTRIES,
      total: scanTotals,
      totalWord: SCAN_TOTALS.TOTAL,
    });
    const origins = arena.buffer('origins', 4 * count);
    const place = await PlaceRows.create(gpu, { scanTotals, places: kept, origins });
    gpu.run('train/outside-masks/plan', (recorder) => {
      scan.record(recorder);
      place.record(recorder, count);
    });
    const rows = (await gpu.readWords(scanTotals, 'metrics', 2))[SCAN_TOTALS.TOTAL];
    if (rows === 0) {
      throw new InputError(
        `masks leave none of the ${count} Gaussians: each lies outside the mask in half or more of the views that show it. ` +
          'Masks are black where a picture is masked: are they inverted? Otherwise use load.masking ignore',
      );
    }
    if (rows === count) return 0;
    const widths = parameterWidths(state.shDegree);
    const scratch = arena.buffer('scratch', 4 * Math.max(...Object.values(widths)) * rows);
    const gathers = await Promise.all(
      GAUSSIAN_PARAMETERS.map((name) => GatherRows.create(arena, widths[name], count, rows)),
    );
    gpu.run('train/outside-masks/move', (recorder) => {
      GAUSSIAN_PARAMETERS.forEach((name, i) => {
        const buffers = { origins, values: parameters[name], scratch };
        gathers[i].record(recorder, buffers, { fresh: false });
      });
    });
    setCount(state, rows);
    return count - rows;
  } finally {
    arena.destroy();
  }
}
