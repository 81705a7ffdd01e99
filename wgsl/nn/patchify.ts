import { derived, type Graph, size, type Value } from './graph.ts';
import { lowerElements } from './lower.ts';

const FORWARD = new URL('./patchify.wgsl', import.meta.url);
const BACKWARD = new URL('./patchify-backward.wgsl', import.meta.url);

/** Pictures [B, C, S, S] → patches [B·⌊S/patch⌋², C·patch²], so that a patch embedding is a linear layer. */
export function patchify(graph: Graph, label: string, pixels: Value, patch: number): Value {
  const [batch, channels, side, width] = pixels.shape;
  if (side !== width) throw new Error(`${label}: pictures must be square, got ${side}×${width}`);
  const grid = Math.floor(side / patch);
  const output = derived(label, [batch * grid * grid, channels * patch * patch], [pixels]);
  const shape = { channels, side, patchSide: patch, grid };
  return graph.add({
    label,
    inputs: [pixels],
    output,
    async forward(at) {
      const bindings = { pixels: at.buffer(pixels), patches: at.buffer(output) };
      const sizes = { count: size(output), ...shape };
      return [await lowerElements(at, { source: FORWARD, sizes, bindings })];
    },
    async backward(at) {
      const bindings = { gradPatches: at.gradient(output), gradPixels: at.gradient(pixels) };
      const sizes = { accumulates: Number(at.adds(pixels)), count: size(pixels), ...shape };
      return [await lowerElements(at, { source: BACKWARD, sizes, bindings })];
    },
  });
}
