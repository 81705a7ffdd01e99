import { type Gpu, GpuError } from '../core/index.ts';
import { MAX_CAPACITY } from '../sort/radix-sort.ts';

/** Minimum of the initial guess: small scenes then never overflow. */
const MIN_CAPACITY = 1 << 16;
/** Growth beyond the view that overflowed, so that the next view does not overflow too. */
const GROWTH = 1.25;

/** Maximum number of (tile, Gaussian) intersections of a view: the adapter's largest binding divided by the widest buffer's bytes an
 * intersection, and the limit of the sort. */
function limit(gpu: Gpu, bytesPerIntersection: number): number {
  const { maxBufferSize, maxStorageBufferBindingSize } = gpu.device.limits;
  const bytes = Math.min(maxBufferSize, maxStorageBufferBindingSize);
  return Math.min(MAX_CAPACITY, Math.floor(bytes / bytesPerIntersection));
}

/** Initial capacity. A guess: too little costs one growth, too much costs memory. */
export function guessedIntersections(gpu: Gpu, guess: number, bytesPerIntersection: number): number {
  return Math.min(limit(gpu, bytesPerIntersection), Math.max(MIN_CAPACITY, guess));
}

/**
 * Capacity for a view with `needed` intersections, and some more if the adapter allows.
 * @throws GpuError when this adapter cannot hold them.
 */
export function grownIntersections(
  gpu: Gpu,
  needed: number,
  bytesPerIntersection: number,
  { width, height }: { width: number; height: number },
): number {
  const maximum = limit(gpu, bytesPerIntersection);
  if (needed > maximum) {
    throw new GpuError(
      `a view of ${width}×${height} has ${needed} (tile, Gaussian) intersections; this adapter has room for ` +
        `${maximum}. Make the pictures smaller (load.downscale, orbit.size), or train fewer Gaussians (train.cap)`,
    );
  }
  return Math.min(maximum, Math.ceil(GROWTH * needed));
}
