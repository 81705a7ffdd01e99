import { z } from 'zod';
import type { GaussianParameter } from '../artefacts/gaussians.ts';
import type { Rates } from './optimizer.ts';

/** What Adam may move, by its name in pipeline files. */
export const PARAMETERS = {
  means: 'means',
  scales: 'logScales',
  quats: 'quats',
  opacity: 'opacityLogits',
  sh: 'sh',
} as const satisfies Record<string, GaussianParameter>;

export type ParameterName = keyof typeof PARAMETERS;
export const PARAMETER_NAMES = Object.keys(PARAMETERS) as [ParameterName, ...ParameterName[]];

/** SH bands above 0 learn at a twentieth of band 0 (3DGS). */
export const SH_REST = 1 / 20;

/** Adam's learning rates as an option. `means`: what is said of the means' rate. */
export function ratesOption(
  defaults: Record<ParameterName, number>,
  means = 'Of the means, per unit of scene extent',
) {
  const rate = (name: ParameterName, text: string) =>
    z.number().min(0).default(defaults[name]).describe(text);
  return z
    .strictObject({
      means: rate('means', means),
      scales: rate('scales', 'Of the log scales'),
      quats: rate('quats', 'Of the quaternions'),
      opacity: rate('opacity', 'Of the opacity logits'),
      sh: rate('sh', 'Of SH band 0; the others learn at a twentieth'),
    })
    .prefault({})
    .describe("Adam's learning rates");
}

/** A step's rates, of which that of the means is in world units. */
export function adamRates(rates: Record<Exclude<ParameterName, 'means'>, number>, means: number): Rates {
  return {
    means,
    logScales: rates.scales,
    quats: rates.quats,
    opacityLogits: rates.opacity,
    sh: [rates.sh, rates.sh * SH_REST],
  };
}
