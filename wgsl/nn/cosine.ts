import { derived, type Graph, type Value } from './graph.ts';
import { lowerRows } from './lower.ts';

const FORWARD = new URL('./cosine.wgsl', import.meta.url);
const BACKWARD = new URL('./cosine-backward.wgsl', import.meta.url);

/**
 * Cosine of each row of x [B, width] with a target of unit length → [B]. `targets` holds one row for all (`shared`) or one
 * for each.
 */
export function cosine(graph: Graph, label: string, x: Value, targets: GPUBuffer, shared: boolean): Value {
  const [rows, width] = x.shape;
  if (x.shape.length !== 2) throw new Error(`${label} takes rows, got [${x.shape}]`);
  const output = derived(label, [rows], [x]);
  const sizes = { rows, width, targetStride: shared ? 0 : width };
  return graph.add({
    label,
    inputs: [x],
    output,
    saved: [x],
    async forward(at) {
      const bindings = { x: at.buffer(x), targets, cosines: at.buffer(output) };
      return [await lowerRows(at, { source: FORWARD, sizes, bindings })];
    },
    async backward(at) {
      const bindings = {
        x: at.buffer(x),
        targets,
        gradCosines: at.gradient(output),
        gradX: at.gradient(x),
      };
      const accumulates = Number(at.adds(x));
      const use = { source: BACKWARD, sizes: { ...sizes, accumulates }, bindings };
      return [await lowerRows(at, use)];
    },
  });
}
