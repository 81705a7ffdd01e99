import { z } from 'zod';
import { clipTarget } from '../clip/options.ts';
import { METRIC_NAMES } from './metrics/index.ts';

const channel = z.number().min(0).max(1);

/** What the score stage can be told. */
export const scoreOptions = z.strictObject({
  metrics: z
    .array(z.enum(METRIC_NAMES))
    .min(1)
    .default([...METRIC_NAMES])
    .describe('What to measure; a metric that lacks its input is skipped with a note'),
  prompt: clipTarget.prompt
    .optional()
    .describe(
      'Of clip: a name in the prompt library, or the text itself; what stylize was given unless said',
    ),
  model: clipTarget.model.describe(
    "Of clip: folder of a CLIP model in the Hugging Face layout; stylize's, or the small one of the package, unless given",
  ),
  background: z
    .union([z.enum(['black', 'white']), z.tuple([channel, channel, channel])])
    .default('black')
    .describe('Behind the splat on held-out views: a name or [r, g, b] from 0 to 1'),
});

export type ScoreOptions = z.output<typeof scoreOptions>;
export type ScoreInput = z.input<typeof scoreOptions>;
