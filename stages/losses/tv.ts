import { defineLoss } from './loss.ts';
import { createPixelLoss } from './pixel-loss.ts';

/**
 * Total variation of the change, render − base, the mean over pixels and channels (`PixelLoss`). Of the change and not of the render, as
 * in CLIPstyler: the scene's own edges and textures cost nothing, and colour that is noise costs.
 */
export const tv = defineLoss({
  name: 'tv',
  summary: 'total variation of the change of the render, which suppresses noise',
  settings: {},
  defaults: { weight: 0.1 },
  needs: () => ({ base: true }),
  create: (context) => createPixelLoss(context, 'tv', 'total-variation'),
});
