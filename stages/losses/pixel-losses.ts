import type { BoundKernel } from '../../wgsl/core/index.ts';
import { PixelLoss, type PixelLossKind } from '../../wgsl/image/pixel-loss.ts';
import type { View } from '../artefacts/dataset.ts';
import { regionOption } from '../regions/options.ts';
import { defineLoss, type Loss, type LossContext } from './loss.ts';

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

/** A loss that compares each pixel of the render with the base's, under its name in the table. `maskOf`: see `LossContext.keep`. */
async function createPixelLoss(
  { gpu, arena, picture, base, weight }: LossContext,
  name: string,
  kind: PixelLossKind,
  maskOf?: LossContext['keep'],
): Promise<Loss> {
  const { width, height, color, gradient } = picture;
  const buffers = { picture: color, base: base!.color, gradient };
  const size = { width, height };
  const hasMask = Boolean(maskOf);
  const engine = await PixelLoss.create(gpu, arena, kind, { label: name, ...size, ...buffers, hasMask });
  const masks = new Map<View, BoundKernel>();
  return {
    prepare(_, view) {
      engine.set(view.camera, weight);
      if (maskOf && !masks.has(view)) masks.set(view, engine.bindMask(maskOf(view)));
    },
    recordPicture(recorder, view) {
      engine.record(recorder, masks.get(view));
    },
    metrics: { buffer: engine.loss, words: 1, read: ([loss]) => ({ [name]: loss }) },
  };
}
