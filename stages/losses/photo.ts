import { regionOption } from '../regions/options.ts';
import { defineLoss } from './loss.ts';
import { createPixelLoss } from './pixel-loss.ts';

/** L1 to the base's render in the region `keep`, or everywhere: the mean over all pixels and channels of the view. */
export const photo = defineLoss({
  name: 'photo',
  summary: 'L1 to the render before restyling, over the whole view, or where it shows the region to keep',
  settings: {
    keep: regionOption
      .optional()
      .describe('The region to keep: each pixel is weighted by the share of it that shows the region'),
  },
  defaults: { weight: 1 },
  needs: ({ keep }) => ({ base: true, ...(keep && { keep }) }),
  create: (context) => createPixelLoss(context, 'photo', 'masked-l1', context.keep),
});
