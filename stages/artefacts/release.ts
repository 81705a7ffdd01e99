import type { Dataset } from './dataset.ts';
import { GAUSSIAN_PARAMETERS, type Gaussians } from './gaussians.ts';

/** Frees a dataset's pictures. The dataset is of no use afterwards; a second call does nothing. */
export function releaseDataset(dataset: Dataset): void {
  for (const { image } of dataset.views) image?.destroy();
}

/** Frees a splat's buffers. The splat is of no use afterwards; a second call does nothing. */
export function releaseGaussians(gaussians: Gaussians): void {
  for (const name of GAUSSIAN_PARAMETERS) gaussians[name].destroy();
}
