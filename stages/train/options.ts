import { z } from 'zod';
import { trainingBackgroundOption } from '../artefacts/background.ts';
import { clipTermOptions } from '../clip/options.ts';
import { ratesOption } from '../optimizer/parameters.ts';
import { RATES } from './schedule.ts';
import { STRATEGIES } from './strategies/index.ts';

export const trainOptions = z.strictObject({
  steps: z.number().int().min(1).max(1_000_000).default(7000).describe('Training steps, one view each'),
  strategy: z
    .enum(Object.keys(STRATEGIES) as [keyof typeof STRATEGIES])
    .default('mcmc')
    .describe(
      `How Gaussians come and go; ${Object.entries(STRATEGIES)
        .map(([name, { summary }]) => `${name}: ${summary}`)
        .join('; ')}`,
    ),
  cap: z
    .number()
    .int()
    .min(1)
    .default(1_000_000)
    .describe('Number of Gaussians up to which mcmc adds; a start with more keeps them all'),
  dssim: z.number().min(0).max(1).default(0.2).describe('Weight of D-SSIM against L1'),
  shInterval: z
    .number()
    .int()
    .min(0)
    .optional()
    .describe('Steps between SH degrees; 1000, or a seventh of shorter runs. 0: all bands from the start'),
  background: trainingBackgroundOption('Behind the splat while training'),
  start: z
    .enum(['strategy', 'keep'])
    .default('strategy')
    .describe("Opacity and scale to start from: the strategy's, or keep those that came in"),
  rates: ratesOption(RATES, 'Of the means, per unit of scene extent; falls to a hundredth'),
  clip: clipTermOptions.optional().describe('Joint optimisation: adds −weight · CLIP(render, prompt)'),
  mcmc: STRATEGIES.mcmc.options.omit({ cap: true }).prefault({}).describe('Settings of the mcmc strategy'),
  default: STRATEGIES.default.options.prefault({}).describe('Settings of the default strategy'),
});

export type TrainOptions = z.output<typeof trainOptions>;
export type TrainInput = z.input<typeof trainOptions>;
