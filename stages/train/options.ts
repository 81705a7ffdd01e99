import * as z from 'zod';
import { trainingBackgroundOption } from '../artefacts/background.ts';
import { annealOption } from '../optimizer/anneal.ts';
import { PARAMETER_NAMES, type ParameterName } from '../optimizer/parameters.ts';
import { clipTermOptions } from './clip-options.ts';
import { type Recipe, STRATEGIES, type StrategyName } from './strategies/index.ts';

const RATE_OF: Record<ParameterName, string> = {
  means: 'Learning rate of the means, per unit of scene extent; decays exponentially to 1 %',
  scales: 'Learning rate of the log scales',
  quats: 'Learning rate of the quaternions',
  opacity: 'Learning rate of the opacity logits',
  sh: 'Learning rate of SH band 0; 1/20 of it for the higher bands',
};

const kinds = Object.entries(STRATEGIES) as [
  StrategyName,
  { summary: string; cap?: number; recipe: Recipe },
][];

/** `name value` of all strategies, for the description of an option whose default depends on the strategy. */
function perStrategy(value: (kind: { cap?: number; recipe: Recipe }) => string | number | undefined): string {
  const texts = kinds.flatMap(([name, kind]) => {
    const text = value(kind);
    return text === undefined ? [] : [`${name} ${text}`];
  });
  return texts.join(', ');
}

const rates = z.strictObject({
  ...(Object.fromEntries(
    PARAMETER_NAMES.map((name) => [
      name,
      z
        .number()
        .min(0)
        .optional()
        .describe(`${RATE_OF[name]} (${perStrategy(({ recipe }) => recipe.rates[name])})`),
    ]),
  ) as Record<ParameterName, z.ZodOptional<z.ZodNumber>>),
  exposure: z
    .number()
    .min(0)
    .default(0.02)
    .describe('Learning rate of the exposures; decays exponentially to 10 %'),
  poses: z
    .number()
    .min(0)
    .default(5e-4)
    .describe(
      'Learning rate of the poses: radians, and of the translation per unit of scene extent; decays exponentially to 1 %',
    ),
});

export const trainOptions = z.strictObject({
  steps: z
    .number()
    .int()
    .min(1)
    .max(1_000_000)
    .default(7000)
    .describe('Number of training steps, one view each'),
  seconds: z
    .number()
    .positive()
    .optional()
    .describe(
      'Time limit of training, seconds. If it is too short for all steps, some are skipped so that all schedules complete; ' +
        'the result is then not reproducible to the byte',
    ),
  strategy: z
    .enum(Object.keys(STRATEGIES) as [StrategyName])
    .default('budget')
    .describe(
      `Densification strategy; ${kinds.map(([name, { summary }]) => `${name}: ${summary}`).join('; ')}`,
    ),
  cap: z
    .number()
    .int()
    .min(1)
    .optional()
    .describe(
      `Maximum number of Gaussians (${perStrategy(({ cap }) => cap)}); a larger initial splat keeps all of its Gaussians`,
    ),
  dssim: z
    .number()
    .min(0)
    .max(1)
    .default(0.2)
    .describe('Weight of the D-SSIM loss; L1 has the weight 1 − dssim'),
  antialias: z
    .boolean()
    .optional()
    .describe(
      "Mip-Splatting's 2D filter: opacity makes up for the blur of small Gaussians, so that the splat keeps its look at other " +
        'resolutions. The splat and its files are marked, and later stages render with the filter. Default: as the initial splat',
    ),
  exposure: z
    .boolean()
    .default(false)
    .describe(
      'Learns an affine transform of the colours per photograph, for captures whose exposure or white balance varies. The splat is what ' +
        'all of them see; score fits the exposures of held-out photographs and names such scores psnr.exposure and ssim.exposure',
    ),
  poses: z
    .boolean()
    .default(false)
    .describe(
      'Refines the poses of the training views, for cameras that were found badly; the result is poses.json. Held-out views keep theirs',
    ),
  shInterval: z
    .number()
    .int()
    .min(0)
    .optional()
    .describe(
      'Steps between increments of the SH degree; 0 uses all bands from the start. Default: 0 for budget; for the others 1000, or a seventh of runs shorter than 7000 steps',
    ),
  dropout: z
    .number()
    .min(0)
    .max(0.9)
    .optional()
    .describe(
      `Fraction of Gaussians that each step drops at random, in steps of 1/256; reduces overfitting (${perStrategy(({ recipe }) => recipe.dropout)})`,
    ),
  background: trainingBackgroundOption('Background colour during training'),
  start: z
    .enum(['strategy', 'keep'])
    .default('strategy')
    .describe('Initial opacity and scale: set by the strategy, or kept from the input splat'),
  rates: rates.prefault({}).describe('Learning rates of Adam; defaults depend on the strategy'),
  anneal: annealOption(
    `Decay of all learning rates except that of the means at the end of training (${perStrategy(({ recipe: { anneal } }) => (anneal ? `from ${anneal.from} to ${anneal.to}` : 'never'))})`,
  ),
  clip: clipTermOptions
    .optional()
    .describe('Joint optimisation: adds the loss term −weight · CLIP(render, prompt)'),
  budget: STRATEGIES.budget.options.prefault({}).describe('Options of the budget strategy'),
  mcmc: STRATEGIES.mcmc.options.prefault({}).describe('Options of the mcmc strategy'),
  default: STRATEGIES.default.options.prefault({}).describe('Options of the default strategy'),
});

export type TrainOptions = z.output<typeof trainOptions>;
/** Options of train as a caller gives them: docs/options.md has units and defaults. */
export type TrainInput = z.input<typeof trainOptions>;

/** The strategy's recipe, with the given options in place of its defaults. */
export function recipeOf(options: TrainOptions): Recipe {
  const { recipe } = STRATEGIES[options.strategy];
  const { anneal = recipe.anneal, dropout = recipe.dropout, shInterval = recipe.shInterval } = options;
  const { exposure: _exposure, poses: _poses, ...ofParameters } = options.rates;
  const given = Object.entries(ofParameters).filter(([, rate]) => rate !== undefined);
  return { rates: { ...recipe.rates, ...Object.fromEntries(given) }, anneal, dropout, shInterval };
}
