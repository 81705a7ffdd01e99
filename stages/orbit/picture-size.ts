import type { Dataset } from '../artefacts/dataset.ts';
import { median } from './paths/ring.ts';

/** width ÷ height without photographs. */
export const WIDE = 16 / 9;
/** The smallest side of a frame, pixels. */
const MIN_SIDE = 16;

/** width ÷ height of the photographs: the median of the training views that have one. */
export function photographAspect({ views }: Dataset): number | undefined {
  const aspects = views
    .filter(({ image, split }) => image && split === 'train')
    .map(({ camera }) => camera.width / camera.height);
  return aspects.length ? median(aspects) : undefined;
}

/** The size of the frames, even numbers, by the option `size`: [width, height], or the longer side of pictures of an aspect. */
export function pictureSize(
  size: number | readonly [number, number],
  aspect: number,
): { width: number; height: number } {
  if (typeof size !== 'number') return { width: size[0], height: size[1] };
  const shorter = Math.max(MIN_SIDE, 2 * Math.round((size * Math.min(aspect, 1 / aspect)) / 2));
  return aspect < 1 ? { width: shorter, height: size } : { width: size, height: shorter };
}
