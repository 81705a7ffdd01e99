import { clipMetric } from './clip.ts';
import { consistency } from './consistency.ts';
import { psnrMetric, ssimMetric } from './held-out.ts';
import type { Metric } from './metric.ts';

/** All metrics, in the order of `scores.json`. */
export const METRICS = {
  psnr: psnrMetric,
  ssim: ssimMetric,
  clip: clipMetric,
  consistency,
} satisfies Record<string, Metric>;

export type MetricName = keyof typeof METRICS;
export const METRIC_NAMES = Object.keys(METRICS) as [MetricName, ...MetricName[]];
