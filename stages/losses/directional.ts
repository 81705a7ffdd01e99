import * as z from 'zod';
import { randomCrops } from './crop-groups.ts';
import { directionLoss, SOURCE, sourceText } from './direction.ts';
import { defineLoss } from './loss.ts';

/** The directional CLIP loss (Gal et al. 2022, StyleGAN-NADA, eq. 2) on the random crops. */
export const directional = defineLoss({
  name: 'directional',
  summary:
    '1 − the cosine between the change of a crop against the base and the change from the source text to the prompt',
  settings: {
    source: sourceText,
    from: z
      .enum(['view', 'crop'])
      .describe(
        'What a crop is compared with: the whole view of the base, embedded once, or the same crop of it, embedded in each step',
      ),
  },
  defaults: { weight: 1, source: SOURCE, from: 'view' },
  needs: ({ from, source }, settings) => ({
    crops: randomCrops(settings),
    base: from === 'crop',
    baseEmbeds: from,
    source,
  }),
  create: (context, { source, from }) =>
    directionLoss(context, { name: 'directional', crops: 'crops', source, from, threshold: 0 }),
});
