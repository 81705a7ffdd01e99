import { z } from 'zod';
import { trainingBackgroundOption } from '../artefacts/background.ts';
import { clipTarget, cropOptions } from '../clip/options.ts';

const rate = (value: number, text: string) => z.number().min(0).default(value).describe(text);

/** What may be restyled, by its name in pipeline files. */
export const TRAINABLE = ['means', 'scales', 'quats', 'opacity', 'sh'] as const;

export const stylizeOptions = z.strictObject({
  ...clipTarget,
  steps: z.number().int().min(1).max(1_000_000).default(600).describe('Steps, one random training view each'),
  train: z
    .array(z.enum(TRAINABLE))
    .min(1)
    .default(['sh'])
    .describe('The parameters that change; all others stay as they are, to the bit'),
  background: trainingBackgroundOption('Behind the splat while restyling'),
  crops: cropOptions.prefault({}).describe('Crops of each render that CLIP sees'),
  rates: z
    .strictObject({
      means: rate(1.6e-4, 'Of the means, per unit of scene extent'),
      scales: rate(5e-3, 'Of the log scales'),
      quats: rate(1e-3, 'Of the quaternions'),
      opacity: rate(2e-2, 'Of the opacity logits'),
      sh: rate(1e-2, 'Of SH band 0; the others learn at a twentieth'),
    })
    .prefault({})
    .describe("Adam's learning rates"),
});

export type StylizeOptions = z.output<typeof stylizeOptions>;
export type StylizeInput = z.input<typeof stylizeOptions>;
