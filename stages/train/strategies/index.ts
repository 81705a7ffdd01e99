import { defaultStrategy } from './default.ts';
import { mcmcStrategy } from './mcmc.ts';

/** Every densification strategy, by the name that a pipeline file uses. */
export const STRATEGIES = {
  default: defaultStrategy,
  mcmc: mcmcStrategy,
} as const;

export type StrategyName = keyof typeof STRATEGIES;

export type { LearningRates, Strategy, StrategyContext } from './strategy.ts';
