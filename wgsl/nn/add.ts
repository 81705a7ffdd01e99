import { type Arena, gridFor } from '../core/index.ts';
import { derived, type Graph, size, type Value } from './graph.ts';
import type { Dispatch } from './product.ts';
import type { Tuning } from './tuning.ts';

const source = new URL('./add.wgsl', import.meta.url);

/** x + y, elementwise, of equal shapes. */
export function add(graph: Graph, label: string, x: Value, y: Value): Value {
  if (x.shape.join() !== y.shape.join()) throw new Error(`${label}: [${x.shape}] and [${y.shape}] differ`);
  const output = derived(label, x.shape, [x, y]);
  const count = size(x);
  return graph.add({
    label,
    inputs: [x, y],
    output,
    async forward({ arena, tuning, buffer }) {
      const kernel = await arena.gpu.kernel({
        label: 'nn/add',
        source,
        constants: { THREADS: tuning.threads, COUNT: count, SUM: true, ACCUMULATE: false },
      });
      const bound = kernel.bind({ x: buffer(x), y: buffer(y), sum: buffer(output) });
      return [{ bound, groups: gridFor(count, tuning.threads) }];
    },
    async backward({ arena, tuning, gradient, adds }) {
      const wanted = [x, y].filter((input) => input.needsGradient);
      return Promise.all(
        wanted.map((input, i) => {
          const again = adds(input) || (i === 1 && x === y);
          return bindAddTo(arena, tuning, gradient(output), gradient(input), count, again);
        }),
      );
    },
  });
}

/** to (+)= from, `count` floats. */
export async function bindAddTo(
  arena: Arena,
  tuning: Tuning,
  from: GPUBuffer,
  to: GPUBuffer,
  count: number,
  accumulate: boolean,
): Promise<Dispatch> {
  const kernel = await arena.gpu.kernel({
    label: 'nn/add',
    source,
    constants: { THREADS: tuning.threads, COUNT: count, SUM: false, ACCUMULATE: accumulate },
  });
  return { bound: kernel.bind({ x: from, y: from, sum: to }), groups: gridFor(count, tuning.threads) };
}
