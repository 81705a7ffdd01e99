import * as z from 'zod';

/** A decay of learning rates at the end of an optimisation. */
export interface Anneal {
  /** Fraction of the steps after which it begins. */
  from: number;
  /** Final learning rate as a fraction of the initial one. */
  to: number;
}

/** The option `anneal`; `text` says which rates decay and what the default is. */
export function annealOption(text: string) {
  return z
    .strictObject({
      from: z.number().min(0).max(1).describe('Fraction of the steps after which the learning rates decay'),
      to: z
        .number()
        .gt(0)
        .max(1)
        .describe('Final learning rate as a fraction of the initial one; 1 disables the decay'),
    })
    .optional()
    .describe(text);
}

/** Factor of the learning rates at a step: 1, then an exponential decay. */
export function annealed(step: number, steps: number, anneal?: Anneal): number {
  if (!anneal) return 1;
  const late = Math.max(0, step / steps - anneal.from) / Math.max(1 / steps, 1 - anneal.from);
  return anneal.to ** late;
}
