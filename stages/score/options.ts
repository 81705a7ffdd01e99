import { z } from 'zod';
import { backgroundOption } from '../artefacts/background.ts';
import { clipTarget } from '../clip/options.ts';
import { METRIC_NAMES, METRICS } from './metrics/index.ts';

/** What the score stage can be told. */
export const scoreOptions = z.strictObject({
  metrics: z
    .array(z.enum(METRIC_NAMES))
    .min(1)
    .default([...METRIC_NAMES])
    .describe(
      `What to measure; ${Object.values(METRICS)
        .map(({ name, summary }) => `${name}: ${summary}`)
        .join('; ')}. A metric that lacks its input is skipped with a note`,
    ),
  prompt: clipTarget.prompt
    .optional()
    .describe(
      'Of clip: a name in the prompt library, or the text itself; what stylize was given unless said',
    ),
  model: clipTarget.model.describe(
    "Of clip: folder of a CLIP model in the Hugging Face layout; stylize's, or the small one of the package, unless given",
  ),
  background: backgroundOption('Behind the splat on held-out views'),
});

export type ScoreOptions = z.output<typeof scoreOptions>;
export type ScoreInput = z.input<typeof scoreOptions>;
