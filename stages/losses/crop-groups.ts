import {
  type CropRequest,
  type CropTransform,
  centerTransform,
  cropTransforms,
} from '../../wgsl/image/crop-transforms.ts';
import { perspectiveCrops } from '../../wgsl/image/homography.ts';
import type { View } from '../artefacts/dataset.ts';
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
  /** How far corners move inwards at most, as a fraction of half of the side. */
  perspective: number;
}

/** Small random crops, upright, under perspective. */
export function randomPatches(
  { seed }: LossSettings,
  { count, scale, flip, perspective }: PatchOptions,
): CropGroup {
  const request = (step: number, { camera: { width, height } }: View, size: number): CropRequest => {
    const augment = { scale, rotate: 0, flip };
    return { seed, purpose: 'patch', step, batch: count, width, height, size, augment };
  };
  const group = { key: 'patches', count };
  // The affine kernels are faster.
  return perspective
    ? { ...group, homographies: (...at) => perspectiveCrops(request(...at), perspective) }
    : { ...group, transforms: (...at) => cropTransforms(request(...at)) };
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
