import { InputError } from '../../wgsl/core/index.ts';
import type { Camera, Vec3 } from './camera.ts';
import { median } from './median.ts';

/** One photograph, or (image null) a synthetic view of a splat that was loaded without photographs. */
export interface View {
  /** The image's name in COLMAP (a path below the image folder), or `ring-NN`. */
  name: string;
  split: 'train' | 'test';
  /** At the training resolution (after `downscale`). */
  camera: Camera;
  /** Pixels on the GPU: u32 [H, W], rgba8 with r in the lowest byte, row-major. Uploaded once, by load. */
  image: GPUBuffer | null;
  /**
   * What alpha below 255 in `image` means; absent where alpha is 255 everywhere. The colours are premultiplied, so what is masked is
   * black. `ignore`: the pixel takes no part in losses and scores. `remove`: the photograph is composited over the background.
   */
  masking?: 'ignore' | 'remove';
}

/** Structure-from-motion points, in host memory: init reads them once. */
export interface SfmPoints {
  /** [P, 3] world coordinates. */
  positions: Float32Array;
  /** [P, 3] rgb, 0–255. */
  colors: Uint8Array;
}

/** A capture, with every photograph on the GPU. */
export interface Dataset {
  /** Sorted by name. */
  views: View[];
  points: SfmPoints;
  /** World up, unit length: the mean of the cameras' up directions, or −y for a splat of unknown origin. */
  up: Vec3;
  /** The point nearest to all optical axes, or the robust centre of a splat. */
  center: Vec3;
  /** 1.1 × the largest distance of a camera centre from their mean (gsplat's scene scale), world units. */
  extent: number;
}

/** What the alpha of photographs means to a comparison with them (`PictureOptions.alpha`). The views of a dataset agree. */
export function alphaOf(views: readonly View[]): 'mask' | 'composite' | undefined {
  const masking = views.find((view) => view.masking)?.masking;
  return masking && (masking === 'ignore' ? 'mask' : 'composite');
}

/** The image size that contains every view. */
export function largestView(views: readonly View[]): { width: number; height: number } {
  return {
    width: Math.max(...views.map(({ camera }) => camera.width)),
    height: Math.max(...views.map(({ camera }) => camera.height)),
  };
}

/** width ÷ height: the median of at least one picture. */
export function medianAspect(sizes: readonly { width: number; height: number }[]): number {
  return median(sizes.map(({ width, height }) => width / height));
}

/** @throws InputError when one picture for each view, `pixelBytes` a pixel, together takes more than the limit. WebGPU does not report free memory. */
export function checkViewPictures(
  views: readonly View[],
  { what, pixelBytes, limit }: { what: string; pixelBytes: number; limit: number },
): void {
  const bytes = views.reduce((sum, { camera }) => sum + pixelBytes * camera.width * camera.height, 0);
  if (bytes <= limit) return;
  const { width, height } = largestView(views);
  const mib = (of: number) => `${Math.ceil(of / 2 ** 20)} MiB`;
  const by = Math.ceil(10 * Math.sqrt(bytes / limit)) / 10;
  throw new InputError(
    `${what} of ${views.length} views of up to ${width}×${height} need ${mib(bytes)} on the GPU, and ${mib(limit)} is the limit. ` +
      `Make the views smaller by ${by} at least (load.downscale)`,
  );
}

/** Frees a dataset's photographs. The dataset must not be used afterwards; a second call does nothing. */
export function releaseDataset(dataset: Dataset): void {
  for (const { image } of dataset.views) image?.destroy();
}
