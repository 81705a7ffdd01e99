import { WarpError, type WarpSums } from '../../../wgsl/image/warp-error.ts';
import type { Frame } from '../../artefacts/frames.ts';
import type { Score } from '../../artefacts/scores.ts';
import { countOf, type Metric, type MetricInput, mean, score } from './metric.ts';

/** Minimum alpha (90 %) of a covered pixel: below it the depth mixes several surfaces. */
const MIN_ALPHA = 230;
/** Depths within 2 % belong to the same surface; otherwise one occludes the other. */
const DEPTH_TOLERANCE = 0.02;

/**
 * View consistency: the earlier of two neighbouring frames warped into the later by rendered depth, RMSE over rgb in 0–1 of
 * the co-visible pixels, mean over pairs; and the fraction of covered pixels that are co-visible.
 */
export const consistency: Metric = {
  name: 'consistency',
  summary: 'difference between neighbouring frames after warping one into the next by rendered depth',
  async measure(input) {
    const { frames } = input.scene;
    if (!frames) return { skipped: 'no orbit stage rendered frames' };
    if (frames.frames.length < 2)
      return { skipped: 'it compares neighbouring frames, and there is one frame' };
    const now = await compareNeighbours(input, frames.frames, '');
    if (!now) return { skipped: 'no two neighbouring frames show the same surface' };
    const before = frames.before.length ? await compareNeighbours(input, frames.before, '.before') : [];
    return [...now, ...(before ?? [])];
  },
};

async function compareNeighbours(
  { gpu }: MetricInput,
  frames: Frame[],
  suffix: string,
): Promise<Score[] | null> {
  const { width, height } = frames[0].camera;
  const warp = await WarpError.create(gpu, 'score', {
    width,
    height,
    pairs: frames.length - 1,
    minAlpha: MIN_ALPHA,
    depthTolerance: DEPTH_TOLERANCE,
  });
  let sums: WarpSums[];
  try {
    for (let i = 1; i < frames.length; i++) warp.measure(frames[i - 1], frames[i]);
    sums = await warp.read();
  } finally {
    warp.destroy();
  }
  const seen = sums.filter(({ covisible }) => covisible > 0);
  if (!seen.length) return null;
  const over =
    countOf(seen.length, 'pair') + (suffix ? ' of frames before restyling' : ' of neighbouring frames');
  const rmse = seen.map(({ squared, covisible }) => Math.sqrt(squared / (3 * covisible)));
  const share = seen.map(({ covisible, covered }) => covisible / covered);
  return [
    score(`consistency${suffix}`, mean(rmse), 'RMSE of rgb in 0–1', over),
    score(`consistency.covisible${suffix}`, mean(share), 'share of covered pixels', over),
  ];
}
