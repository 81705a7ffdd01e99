import { z } from 'zod';
import { trainingBackgroundOption } from '../artefacts/background.ts';
import { clipTarget, cropOptions } from '../clip/options.ts';
import { PARAMETER_NAMES, ratesOption } from '../optimizer/parameters.ts';

/** 3DGS's, but for opacity and colour: CLIP moves colours further than photographs do. */
const RATES = { means: 1.6e-4, scales: 5e-3, quats: 1e-3, opacity: 2e-2, sh: 1e-2 };

export const stylizeOptions = z.strictObject({
  ...clipTarget,
  steps: z.number().int().min(1).max(1_000_000).default(600).describe('Steps, one random training view each'),
  train: z
    .array(z.enum(PARAMETER_NAMES))
    .min(1)
    .default(['sh'])
    .describe('The parameters that change; all others stay as they are, to the bit'),
  background: trainingBackgroundOption('Behind the splat while restyling'),
  crops: cropOptions.prefault({}).describe('Crops of each render that CLIP sees'),
  rates: ratesOption(RATES),
});

export type StylizeOptions = z.output<typeof stylizeOptions>;
export type StylizeInput = z.input<typeof stylizeOptions>;
