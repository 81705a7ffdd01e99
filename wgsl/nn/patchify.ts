import { gridFor } from '../core/index.ts';
import { derived, type Graph, size, type Value } from './graph.ts';
import { kernelOf } from './rows.ts';

/** Pictures [B, C, S, S] → patches [B·⌊S/patch⌋², C·patch²], so that a patch embedding is a linear layer. */
export function patchify(graph: Graph, label: string, pixels: Value, patch: number): Value {
  const [batch, channels, side, width] = pixels.shape;
  if (side !== width) throw new Error(`${label}: pictures must be square, got ${side}×${width}`);
  const grid = Math.floor(side / patch);
  const output = derived(label, [batch * grid * grid, channels * patch * patch], [pixels]);
  const shape = { CHANNELS: channels, SIDE: side, PATCH: patch, GRID: grid };
  return graph.add({
    label,
    inputs: [pixels],
    output,
    async forward(at) {
      const { threads } = at.tuning;
      const constants = { THREADS: threads, COUNT: size(output), ...shape };
      const kernel = await kernelOf(at, 'patchify', constants);
      const bound = kernel.bind({ pixels: at.buffer(pixels), patches: at.buffer(output) });
      return [{ bound, groups: gridFor(size(output), threads) }];
    },
    async backward(at) {
      const { threads } = at.tuning;
      const constants = { THREADS: threads, COUNT: size(pixels), ...shape, ACCUMULATE: at.adds(pixels) };
      const kernel = await kernelOf(at, 'patchify_backward', constants);
      const bound = kernel.bind({ grad_patches: at.gradient(output), grad_pixels: at.gradient(pixels) });
      return [{ bound, groups: gridFor(size(pixels), threads) }];
    },
  });
}
