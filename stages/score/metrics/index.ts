import { clipConsistency, clipFrames } from './clip-neighbours.ts';
import { clip, clipDirection } from './clip-prompt.ts';
import { clipRank } from './clip-rank.ts';
import { consistency, longConsistency } from './consistency.ts';
import { psnrMetric, ssimMetric } from './held-out.ts';
import type { Metric } from './metric.ts';
import { structure } from './structure.ts';

/** All metrics, in the order of `scores.json`. */
export const METRICS = {
  psnr: psnrMetric,
  ssim: ssimMetric,
  clip,
  'clip.direction': clipDirection,
  'clip.consistency': clipConsistency,
  'clip.frames': clipFrames,
  'clip.rank': clipRank,
  consistency,
  'consistency.long': longConsistency,
  structure,
} satisfies Record<string, Metric>;

export type MetricName = keyof typeof METRICS;
/** Those that a CLIP model measures. */
export const isClipMetric = (name: MetricName) => name === 'clip' || name.startsWith('clip.');
export const METRIC_NAMES = Object.keys(METRICS) as [MetricName, ...MetricName[]];
