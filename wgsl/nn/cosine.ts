import { derived, type Graph, type Value } from './graph.ts';
import { kernelOf, rowConstants, rowGrid } from './rows.ts';

/**
 * Cosine of each row of x [B, width] with a target of unit length → [B]. `targets` holds one row for all (`shared`) or one
 * for each.
 */
export function cosine(graph: Graph, label: string, x: Value, targets: GPUBuffer, shared: boolean): Value {
  const [rows, width] = x.shape;
  if (x.shape.length !== 2) throw new Error(`${label} takes rows, got [${x.shape}]`);
  const output = derived(label, [rows], [x]);
  const stride = { TARGET_STRIDE: shared ? 0 : width };
  return graph.add({
    label,
    inputs: [x],
    output,
    saved: [x],
    async forward(at) {
      const kernel = await kernelOf(at, 'cosine', { ...rowConstants(at.tuning, rows, width), ...stride });
      const bound = kernel.bind({ x: at.buffer(x), targets, cosines: at.buffer(output) });
      return [{ bound, groups: rowGrid(at.tuning, rows) }];
    },
    async backward(at) {
      const constants = { ...rowConstants(at.tuning, rows, width), ...stride, ACCUMULATE: at.adds(x) };
      const kernel = await kernelOf(at, 'cosine_backward', constants);
      const bound = kernel.bind({
        x: at.buffer(x),
        targets,
        grad_cosines: at.gradient(output),
        grad_x: at.gradient(x),
      });
      return [{ bound, groups: rowGrid(at.tuning, rows) }];
    },
  });
}
