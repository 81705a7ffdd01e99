import { defineLoss } from './loss.ts';
import { createPixelLoss } from './pixel-loss.ts';

/** L1 to the base's render where `LossContext.keep` says so, or everywhere: the mean over all pixels and channels of the view. */
export const photo = defineLoss({
  name: 'photo',
  summary: 'L1 to the render before restyling, where a region is to stay',
  settings: {},
  defaults: { weight: 1 },
  needs: () => ({ base: true }),
  create: (context) => createPixelLoss(context, 'photo', 'masked-l1', context.keep),
});
