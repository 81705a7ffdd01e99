import { type CropTransform, centerTransform, cropTransforms } from '../../wgsl/image/crop-transforms.ts';
import type { CropGroup, LossSettings } from './loss.ts';

/** The random crops of the stage (its option `crops`). */
export function randomCrops({ seed, crops: { count, ...augment } }: LossSettings): CropGroup {
  return {
    key: 'crops',
    count,
    transforms: (step, { camera: { width, height } }, size) =>
      cropTransforms({ seed, step, batch: count, width, height, size, augment }),
  };
}

/** What varies in patches. */
export interface PatchOptions {
  count: number;
  scale: readonly [number, number];
  flip: boolean;
}

/** Small random crops, upright. */
export function randomPatches({ seed }: LossSettings, { count, scale, flip }: PatchOptions): CropGroup {
  const augment = { scale, rotate: 0, flip };
  return {
    key: 'patches',
    count,
    transforms: (step, { camera: { width, height } }, size) =>
      cropTransforms({ seed, purpose: 'patch', step, batch: count, width, height, size, augment }),
  };
}

/** Key of the crops of `wholeViews`. */
export const VIEW_CROPS = 'view';

/** The whole view, once. */
export function wholeViews(): CropGroup {
  return { key: VIEW_CROPS, count: 1, transforms: (_, { camera }, size) => [wholeView(camera, size)] };
}

/** The whole view, squashed to the encoder's square. */
export function wholeView({ width, height }: { width: number; height: number }, size: number): CropTransform {
  return centerTransform(width, height, { kind: 'exact', width: size, height: size }, size);
}
