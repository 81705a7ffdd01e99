import { derived, type Graph, type Lowering, size, type Value } from './graph.ts';
import { lowerElements } from './lower.ts';
import type { Dispatch } from './product.ts';

const KERNEL = new URL('./add.wgsl', import.meta.url);

/** x + y, elementwise, of equal shapes. */
export function add(graph: Graph, label: string, x: Value, y: Value): Value {
  if (x.shape.join() !== y.shape.join()) throw new Error(`${label}: [${x.shape}] and [${y.shape}] differ`);
  const output = derived(label, x.shape, [x, y]);
  const count = size(x);
  return graph.add({
    label,
    inputs: [x, y],
    output,
    async forward(at) {
      const bindings = { x: at.buffer(x), y: at.buffer(y), sum: at.buffer(output) };
      const sizes = { count, addsY: 1, accumulates: 0 };
      return [await lowerElements(at, { source: KERNEL, sizes, bindings })];
    },
    async backward(at) {
      const wanted = [x, y].filter((input) => input.needsGradient);
      return Promise.all(
        wanted.map((input, i) => {
          const again = at.adds(input) || (i === 1 && x === y);
          return lowerAddTo(at, at.gradient(output), at.gradient(input), count, again);
        }),
      );
    },
  });
}

/** to (+)= from, `count` floats. */
export function lowerAddTo(
  at: Lowering,
  from: GPUBuffer,
  to: GPUBuffer,
  count: number,
  accumulate: boolean,
): Promise<Dispatch> {
  const sizes = { count, addsY: 0, accumulates: Number(accumulate) };
  return lowerElements(at, {
    source: KERNEL,
    sizes,
    bindings: { x: from, y: from, sum: to },
  });
}
