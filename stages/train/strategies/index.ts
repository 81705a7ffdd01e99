import { budgetStrategy } from './budget.ts';
import { defaultStrategy } from './default.ts';
import { mcmcStrategy } from './mcmc.ts';

/** All densification strategies, by their names in pipeline files. */
export const STRATEGIES = {
  budget: budgetStrategy,
  default: defaultStrategy,
  mcmc: mcmcStrategy,
} as const;

export type StrategyName = keyof typeof STRATEGIES;

export type { Recipe, Strategy, StrategyContext, StrategyKind } from './strategy.ts';
