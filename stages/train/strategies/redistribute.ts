import { Scan } from '../../../wgsl/sort/scan.ts';
import { CopyRows } from '../../../wgsl/splat/densify/copy-rows.ts';
import { DrawSources } from '../../../wgsl/splat/densify/draw-sources.ts';
import { SCAN_TOTALS } from '../../../wgsl/splat/densify/fixed-pass.ts';
import { RelocateSources } from '../../../wgsl/splat/densify/relocate-sources.ts';
import { SamplingWeights } from '../../../wgsl/splat/densify/sampling-weights.ts';
import { GAUSSIAN_PARAMETERS, parameterWidths } from '../../artefacts/gaussians.ts';
import { growState, setCount, type TrainingState } from '../../optimizer/state.ts';

export interface Redistribution {
  seed: number;
  step: number;
  minOpacity: number;
}

/** Below every opacity: no Gaussian counts as dead. */
const NEVER_DEAD = -1;

/**
 * Relocates every Gaussian of at most `minOpacity` onto one of the others, drawn ∝ opacity; sources and copies share opacity
 * and scale by the relocation formula (gsplat's `relocate`). No readback. Zeroes the moments of the sources, as in gsplat,
 * and of the relocated Gaussians, where gsplat keeps those of the old position. Does nothing if all Gaussians are dead.
 */
export async function relocateDead(state: TrainingState, options: Redistribution): Promise<void> {
  await redistribute(state, options, state.count, options.minOpacity);
}

/**
 * Adds Gaussians up to `rows` as copies of others, drawn ∝ opacity, sharing as above (gsplat's `sample_add`). New Gaussians
 * start with zero moments; the sources keep theirs. The state may grow, up to `limit` rows.
 */
export async function addCopies(
  state: TrainingState,
  options: Redistribution,
  rows: number,
  limit: number,
): Promise<void> {
  growState(state, rows, limit);
  await redistribute(state, options, rows, NEVER_DEAD);
  setCount(state, rows);
}

async function redistribute(
  state: TrainingState,
  { seed, step, minOpacity }: Redistribution,
  rows: number,
  deadOpacity: number,
): Promise<void> {
  const { gpu, count, capacity, parameters, moments } = state;
  if (!count) return;
  const { opacityLogits, logScales } = parameters;
  const adds = rows > count;
  const arena = gpu.arena(adds ? 'train/add' : 'train/relocate');
  try {
    const weights = arena.buffer('weights', 4 * count);
    const sources = arena.buffer('sources', 4 * rows);
    const drawn = arena.buffer('drawn', 4 * rows);
    const scanTotals = arena.upload('scanTotals', new Uint32Array([count, 0]), 'parameters');
    const draw = { count, rows, seed, step };
    const widths = parameterWidths(state.shDegree);
    const weigh = await SamplingWeights.create(
      arena,
      { ...draw, deadOpacity },
      { opacityLogits, weights, sources },
    );
    const scan = await Scan.create(gpu, arena, {
      label: 'scan',
      capacity, // not the count: kernels are compiled per capacity
      values: weights,
      count: scanTotals,
      countWord: SCAN_TOTALS.ENTRIES,
      total: scanTotals,
      totalWord: SCAN_TOTALS.TOTAL,
    });
    const drawing = await DrawSources.create(arena, draw, { scanTotals, before: weights, sources, drawn });
    const relocate = await RelocateSources.create(arena, count, minOpacity, {
      drawn,
      opacityLogits,
      logScales,
    });
    const copies = await Promise.all(
      GAUSSIAN_PARAMETERS.map((name) =>
        CopyRows.create(
          arena,
          { width: widths[name], first: adds ? count : 0, rows, forget: !adds },
          { sources, drawn, values: parameters[name], ...moments[name] },
        ),
      ),
    );
    gpu.run(arena.label, (recorder) => {
      for (const kernel of [weigh, scan, drawing, relocate, ...copies]) kernel.record(recorder);
    });
  } finally {
    arena.destroy();
  }
}
