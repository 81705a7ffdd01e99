import { type Gpu, GpuError } from '../core/index.ts';
import { MAX_CAPACITY } from '../sort/capacity.ts';

/** A first guess is never less: small scenes then never overflow. */
const LEAST = 1 << 16;
/** Room above what overflowed, so that the next view does not overflow too. */
const GROWTH = 1.25;

/** Most (tile, Gaussian) intersections that can be worked on at once: the adapter's largest binding over the widest buffer's bytes a
 * intersection, and the sort's own limit. */
function limit(gpu: Gpu, bytesPerIntersection: number): number {
  const { maxBufferSize, maxStorageBufferBindingSize } = gpu.device.limits;
  const bytes = Math.min(maxBufferSize, maxStorageBufferBindingSize);
  return Math.min(MAX_CAPACITY, Math.floor(bytes / bytesPerIntersection));
}

/** Room to begin with. A guess: too little costs one growth, too much costs memory. */
export function guessedIntersections(gpu: Gpu, guess: number, bytesPerIntersection: number): number {
  return Math.min(limit(gpu, bytesPerIntersection), Math.max(LEAST, guess));
}

/**
 * Room for a view that needed `needed` intersections, and some more where the adapter allows.
 * @throws GpuError when this adapter cannot hold them.
 */
export function grownIntersections(
  gpu: Gpu,
  needed: number,
  bytesPerIntersection: number,
  { width, height }: { width: number; height: number },
): number {
  const most = limit(gpu, bytesPerIntersection);
  if (needed > most) {
    throw new GpuError(
      `a view of ${width}×${height} has ${needed} (tile, Gaussian) intersections; this adapter has room for ` +
        `${most}. Make the pictures smaller (load.downscale, orbit.size), or train fewer Gaussians (train.cap)`,
    );
  }
  return Math.min(most, Math.ceil(GROWTH * needed));
}
