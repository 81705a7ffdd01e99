import { measureHeldOut } from './held-out.ts';
import type { Metric } from './metric.ts';

/** Structural similarity (Wang et al. 2004): 11×11 Gaussian window, σ 1.5, windows wholly inside; mean over views. */
export const ssimMetric: Metric = {
  name: 'ssim',
  summary: 'structural similarity on the held-out views',
  measure: (input) => measureHeldOut(input, { name: 'ssim', unit: '1' }),
};
