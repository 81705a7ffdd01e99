import { WarpError, type WarpSums } from '../../../wgsl/image/warp-error.ts';
import type { Frame } from '../../artefacts/frames.ts';
import type { Score } from '../../artefacts/scores.ts';
import { countOf, type Metric, type MetricInput, mean, score, UNORDERED } from './metric.ts';

/** Minimum alpha (90 %) of a covered pixel: below it the depth mixes several surfaces. */
const MIN_ALPHA = 230;
/** Depths within 2 % belong to the same surface; otherwise one occludes the other. */
const DEPTH_TOLERANCE = 0.02;

interface Range {
  name: string;
  summary: string;
  meaning: string;
  /** Frames from the earlier picture of a pair to the later one. */
  gap: number;
  /** What the pairs are, in `over`. */
  pairs: string;
}

/**
 * View consistency: the earlier of two frames warped into the later by rendered depth, RMSE over rgb in 0–1 of the
 * co-visible pixels, mean over pairs; and the fraction of covered pixels that are co-visible.
 */
function consistencyOver(range: Range): Metric {
  const { name, summary, meaning, gap, pairs } = range;
  return {
    name,
    summary,
    meaning,
    async measure(input) {
      const { frames } = input.scene;
      if (!frames) return { skipped: 'no orbit stage rendered frames' };
      if (frames.unordered) return { skipped: UNORDERED };
      const { length } = frames.frames;
      if (length <= gap) {
        const there = length === 1 ? 'is one frame' : `are ${length} frames`;
        return { skipped: `it compares ${pairs}, and there ${there}` };
      }
      const now = await comparePairs(input, frames.frames, range, '');
      if (!now) return { skipped: `no two ${pairs} show the same surface` };
      const before = frames.before.length ? await comparePairs(input, frames.before, range, '.before') : [];
      return [...now, ...(before ?? [])];
    },
  };
}

/** Short range: neighbouring frames. */
export const consistency = consistencyOver({
  name: 'consistency',
  summary: 'difference between neighbouring frames after warping one into the next by rendered depth',
  meaning: 'How much a surface changes its colour from one frame to the next: lower is steadier.',
  gap: 1,
  pairs: 'neighbouring frames',
});

/** Long range, with the gap that comparisons of style transfer in 3D use. */
export const longConsistency = consistencyOver({
  name: 'consistency.long',
  summary: 'the same between frames that are seven apart',
  meaning: 'How much a surface changes its colour over seven frames: lower is steadier.',
  gap: 7,
  pairs: 'frames seven apart',
});

async function comparePairs(
  { gpu }: MetricInput,
  frames: Frame[],
  { name, gap, pairs }: Range,
  suffix: string,
): Promise<Score[] | null> {
  const { width, height } = frames[0].camera;
  const warp = await WarpError.create(gpu, 'score', {
    width,
    height,
    pairs: frames.length - gap,
    minAlpha: MIN_ALPHA,
    depthTolerance: DEPTH_TOLERANCE,
  });
  let sums: WarpSums[];
  try {
    for (let i = gap; i < frames.length; i++) warp.measure(frames[i - gap], frames[i]);
    sums = await warp.read();
  } finally {
    warp.destroy();
  }
  const seen = sums.filter(({ covisible }) => covisible > 0);
  if (!seen.length) return null;
  const over = countOf(seen.length, 'pair') + (suffix ? ' of frames before restyling' : ` of ${pairs}`);
  const rmse = seen.map(({ squared, covisible }) => Math.sqrt(squared / (3 * covisible)));
  const share = seen.map(({ covisible, covered }) => covisible / covered);
  return [
    score(`${name}${suffix}`, mean(rmse), 'RMSE of rgb in 0–1', over),
    score(`${name}.covisible${suffix}`, mean(share), 'share of covered pixels', over),
  ];
}
