import { type Gpu, GpuError } from '../core/index.ts';
import { MAX_CAPACITY } from '../sort/capacity.ts';

/** A first guess is never less: small scenes then never overflow. */
const LEAST = 1 << 16;
/** Room above what overflowed, so that the next view does not overflow too. */
const GROWTH = 1.25;

/** Most (tile, splat) pairs that can be worked on at once: the adapter's largest binding over the widest buffer's bytes a
 * pair, and the sort's own limit. */
function limit(gpu: Gpu, bytesPerPair: number): number {
  const { maxBufferSize, maxStorageBufferBindingSize } = gpu.device.limits;
  const bytes = Math.min(maxBufferSize, maxStorageBufferBindingSize);
  return Math.min(MAX_CAPACITY, Math.floor(bytes / bytesPerPair));
}

/** Room to begin with. A guess: too little costs one growth, too much costs memory. */
export function guessedPairs(gpu: Gpu, guess: number, bytesPerPair: number): number {
  return Math.min(limit(gpu, bytesPerPair), Math.max(LEAST, guess));
}

/**
 * Room for a view that needed `needed` pairs, and some more where the adapter allows.
 * @throws GpuError when this adapter cannot hold them.
 */
export function grownPairs(
  gpu: Gpu,
  needed: number,
  bytesPerPair: number,
  { width, height }: { width: number; height: number },
): number {
  const most = limit(gpu, bytesPerPair);
  if (needed > most) {
    throw new GpuError(
      `a view of ${width}×${height} has ${needed} pairs of a tile and a splat that touches it; this adapter has room for ` +
        `${most}. Make the pictures smaller (load.downscale, orbit.size), or train fewer Gaussians (train.cap)`,
    );
  }
  return Math.min(most, Math.ceil(GROWTH * needed));
}
