import { random4 } from '../../wgsl/core/index.ts';

/** Weights opacity · unit + a random fraction, before rounding down; null for rows that wait for a source. */
export function samplingWeights(
  opacityLogits: ArrayLike<number>,
  draw: { seed: number; step: number; deadOpacity: number },
  unit: number,
): (number | null)[] {
  return Array.from(opacityLogits, (logit, row) => {
    const opacity = 1 / (1 + Math.exp(-logit));
    if (opacity <= draw.deadOpacity) return null;
    return Math.max(1, opacity * unit + random4(draw.seed, 'relocate', draw.step, row)[3]);
  });
}
