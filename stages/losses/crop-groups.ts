import { cropTransforms } from '../../wgsl/image/crop-transforms.ts';
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
