import { measureHeldOut } from './held-out.ts';
import type { Metric } from './metric.ts';

/** −10·log10 of the mean squared error over pixels and channels; mean over views. */
export const psnrMetric: Metric = {
  name: 'psnr',
  summary: 'peak signal-to-noise ratio on the held-out views',
  measure: (input) => measureHeldOut(input, { name: 'psnr', unit: 'dB' }),
};
