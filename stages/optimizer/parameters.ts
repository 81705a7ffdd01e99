import * as z from 'zod';
import type { GaussianParameter } from '../artefacts/gaussians.ts';
import type { Rates } from './optimizer.ts';

/** The parameters that Adam can train, by their names in pipeline files. */
export const PARAMETERS = {
  means: 'means',
  scales: 'logScales',
  quats: 'quats',
  opacity: 'opacityLogits',
  sh: 'sh',
} as const satisfies Record<string, GaussianParameter>;

export type ParameterName = keyof typeof PARAMETERS;
export const PARAMETER_NAMES = Object.keys(PARAMETERS) as [ParameterName, ...ParameterName[]];

/** Learning rate of SH bands above 0, relative to band 0 (3DGS). */
export const SH_REST = 1 / 20;

/** Adam moves a parameter by about its rate in each step: more leaves no splat. */
const MAX_RATE = 10;

/** Adam's learning rates as an option. */
export function ratesOption(defaults: Record<Exclude<ParameterName, 'sh'>, number>) {
  const rate = (name: Exclude<ParameterName, 'sh'>, text: string) =>
    z.number().min(0).max(MAX_RATE).default(defaults[name]).describe(text);
  return z
    .strictObject({
      means: rate('means', 'Learning rate of the means, per unit of scene extent'),
      scales: rate('scales', 'Learning rate of the log scales'),
      quats: rate('quats', 'Learning rate of the quaternions'),
      opacity: rate('opacity', 'Learning rate of the opacity logits'),
      sh: z
        .number()
        .min(0)
        .max(MAX_RATE)
        .optional()
        .describe(
          'Learning rate of SH band 0; 1/20 of it for the higher bands; that of the preset unless given',
        ),
    })
    .prefault({})
    .describe('Learning rates of Adam');
}

/** The learning rates of a step, `factor` times those given; that of the means in world units. */
export function adamRates(
  rates: Record<Exclude<ParameterName, 'means'>, number>,
  means: number,
  factor = 1,
): Rates {
  return {
    means,
    logScales: factor * rates.scales,
    quats: factor * rates.quats,
    opacityLogits: factor * rates.opacity,
    sh: [factor * rates.sh, factor * rates.sh * SH_REST],
  };
}
