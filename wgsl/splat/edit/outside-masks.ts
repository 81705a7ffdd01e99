import { type Arena, defineKernel, gridFor } from '../../core/index.ts';
import type { PinholeCamera } from '../types.ts';

const GROUP = 256;
/** Views are counted in half a word. */
const MAX_VIEWS = 0xffff;

export const OUTSIDE_MASKS = defineKernel({
  label: 'splat/edit/outside-masks',
  constants: { GROUP },
  variants: { portable: { source: new URL('./outside-masks.wgsl', import.meta.url) } },
});

/** A view, and its photograph, u32 [H, W] rgba8, of which alpha below 128 is masked. */
export interface MaskedView {
  camera: PinholeCamera;
  photo: GPUBuffer;
}

/**
 * Submits the test of every Gaussian against masks. Its mean is outside where it projects onto a masked pixel. A Gaussian is kept if no view
 * shows it, or if it is outside in less than half of the views that show it; occlusion plays no part. Returns u32 [count]: 1 for
 * those that are kept, else 0. The arena owns it.
 */
export async function insideMasks(
  arena: Arena,
  { means, count }: { means: GPUBuffer; count: number },
  views: readonly MaskedView[],
): Promise<GPUBuffer> {
  const { gpu } = arena;
  if (views.length > MAX_VIEWS) throw new Error(`masks of at most ${MAX_VIEWS} views, got ${views.length}`);
  const kernel = await gpu.kernel(OUTSIDE_MASKS);
  const votes = arena.buffer('masks/votes', 4 * Math.max(1, count));
  const kept = arena.buffer('masks/kept', 4 * Math.max(1, count));
  for (const { camera, photo } of views) {
    const { viewmat, fx, fy, cx, cy, width, height } = camera;
    const view = arena.uniform('masks/view', kernel.struct('MaskedView').size);
    const numbers = kernel.pack('MaskedView', {
      row0: viewmat.slice(0, 4),
      row1: viewmat.slice(4, 8),
      row2: viewmat.slice(8, 12),
      focal: [fx, fy],
      principal: [cx, cy],
      size: [width, height],
      count,
    });
    gpu.write(view, numbers, 'parameters');
    const bound = kernel.bind({ view, means, photo, votes, kept });
    gpu.run('splat/edit/outside-masks', (recorder) => recorder.run(bound, gridFor(count, GROUP)));
  }
  return kept;
}
