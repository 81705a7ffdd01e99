import { z } from 'zod';
import { trainingBackgroundOption } from '../artefacts/background.ts';
import { clipTermOptions } from '../clip/options.ts';
import { PARAMETER_NAMES, type ParameterName } from '../optimizer/parameters.ts';
import { type Recipe, STRATEGIES, type StrategyName } from './strategies/index.ts';

const RATE_OF: Record<ParameterName, string> = {
  means: 'Of the means, per unit of scene extent; falls to a hundredth',
  scales: 'Of the log scales',
  quats: 'Of the quaternions',
  opacity: 'Of the opacity logits',
  sh: 'Of SH band 0; the others learn at a twentieth',
};

const kinds = Object.entries(STRATEGIES) as [
  StrategyName,
  { summary: string; cap?: number; recipe: Recipe },
][];

/** `name: value` of all strategies, for the text of an option that they decide. */
function perStrategy(value: (kind: { cap?: number; recipe: Recipe }) => string | number | undefined): string {
  const texts = kinds.flatMap(([name, kind]) => {
    const text = value(kind);
    return text === undefined ? [] : [`${name} ${text}`];
  });
  return texts.join(', ');
}

const rates = z.strictObject(
  Object.fromEntries(
    PARAMETER_NAMES.map((name) => [
      name,
      z
        .number()
        .min(0)
        .optional()
        .describe(`${RATE_OF[name]} (${perStrategy(({ recipe }) => recipe.rates[name])})`),
    ]),
  ) as Record<ParameterName, z.ZodOptional<z.ZodNumber>>,
);

export const trainOptions = z.strictObject({
  steps: z.number().int().min(1).max(1_000_000).default(7000).describe('Training steps, one view each'),
  seconds: z
    .number()
    .positive()
    .optional()
    .describe(
      'Wall clock that training may take. Where it does not suffice for all steps, some are left out and the schedules end in time; ' +
        'bytes do not repeat then',
    ),
  strategy: z
    .enum(Object.keys(STRATEGIES) as [StrategyName])
    .default('budget')
    .describe(
      `How Gaussians come and go; ${kinds.map(([name, { summary }]) => `${name}: ${summary}`).join('; ')}`,
    ),
  cap: z
    .number()
    .int()
    .min(1)
    .optional()
    .describe(
      `Number of Gaussians up to which a strategy adds (${perStrategy(({ cap }) => cap)}); a start with more keeps them all`,
    ),
  dssim: z.number().min(0).max(1).default(0.2).describe('Weight of D-SSIM against L1'),
  shInterval: z
    .number()
    .int()
    .min(0)
    .optional()
    .describe(
      'Steps between SH degrees; 0: all bands from the start (so for budget). 1000, or a seventh of shorter runs, for the others',
    ),
  dropout: z
    .number()
    .min(0)
    .max(0.9)
    .optional()
    .describe(
      `Part of the Gaussians that a step leaves out at random, in 256ths, against learning the views by heart (${perStrategy(({ recipe }) => recipe.dropout)})`,
    ),
  background: trainingBackgroundOption('Behind the splat while training'),
  start: z
    .enum(['strategy', 'keep'])
    .default('strategy')
    .describe("Opacity and scale to start from: the strategy's, or keep those that came in"),
  rates: rates.prefault({}).describe("Adam's learning rates; those of the strategy where nothing is said"),
  anneal: z
    .strictObject({
      from: z.number().min(0).max(1).describe('Part of the steps after which the rates fall'),
      to: z.number().gt(0).max(1).describe('Part of a rate that is left at the end; 1: they do not fall'),
    })
    .optional()
    .describe(
      `Lets all rates but the means' fall at the end (${perStrategy(({ recipe: { anneal } }) => (anneal ? `from ${anneal.from} to ${anneal.to}` : 'never'))})`,
    ),
  clip: clipTermOptions.optional().describe('Joint optimisation: adds −weight · CLIP(render, prompt)'),
  budget: STRATEGIES.budget.options.prefault({}).describe('Settings of the budget strategy'),
  mcmc: STRATEGIES.mcmc.options.prefault({}).describe('Settings of the mcmc strategy'),
  default: STRATEGIES.default.options.prefault({}).describe('Settings of the default strategy'),
});

export type TrainOptions = z.output<typeof trainOptions>;
export type TrainInput = z.input<typeof trainOptions>;

/** The strategy's recipe with what the options say otherwise. */
export function recipeOf(options: TrainOptions): Recipe {
  const { recipe } = STRATEGIES[options.strategy];
  const { anneal = recipe.anneal, dropout = recipe.dropout, shInterval = recipe.shInterval } = options;
  const given = Object.entries(options.rates).filter(([, rate]) => rate !== undefined);
  return { rates: { ...recipe.rates, ...Object.fromEntries(given) }, anneal, dropout, shInterval };
}
