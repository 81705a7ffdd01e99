import type { Camera, Vec3 } from './camera.ts';

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

/** Frees a dataset's photographs. The dataset must not be used afterwards; a second call does nothing. */
export function releaseDataset(dataset: Dataset): void {
  for (const { image } of dataset.views) image?.destroy();
}
