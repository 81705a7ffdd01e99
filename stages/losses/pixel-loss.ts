import { PixelLoss, type PixelLossKind } from '../../wgsl/image/pixel-loss.ts';
import type { Loss, LossContext } from './loss.ts';

/** A loss that compares each pixel of the render with the base's, under its name in the table. */
export async function createPixelLoss(
  { gpu, arena, picture, base, weight }: LossContext,
  name: string,
  kind: PixelLossKind,
  mask?: GPUBuffer,
): Promise<Loss> {
  const { width, height, color, gradient } = picture;
  const buffers = { picture: color, base: base!.color, gradient, mask };
  const engine = await PixelLoss.create(gpu, arena, kind, { label: name, width, height, ...buffers });
  return {
    prepare(_, { camera }) {
      engine.set(camera, weight);
    },
    recordPicture(recorder) {
      engine.record(recorder);
    },
    metrics: { buffer: engine.loss, words: 1, read: ([loss]) => ({ [name]: loss }) },
  };
}
