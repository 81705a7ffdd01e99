import type { BoundKernel } from '../../wgsl/core/index.ts';
import { PixelLoss, type PixelLossKind } from '../../wgsl/image/pixel-loss.ts';
import type { View } from '../artefacts/dataset.ts';
import type { Loss, LossContext } from './loss.ts';

/** A loss that compares each pixel of the render with the base's, under its name in the table. `maskOf`: see `LossContext.keep`. */
export async function createPixelLoss(
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
