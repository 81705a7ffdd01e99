import { type Bindings, type Constants, gridFor } from '../core/index.ts';
import type { Lowering } from './graph.ts';
import type { Dispatch } from './product.ts';

/** A kernel with its bindings. Its numbers are in a uniform `sizes: Sizes`. */
export interface KernelUse {
  source: URL;
  /** Only what changes the code; everything else is in `sizes`, so that tensors of all shapes share a pipeline. */
  constants?: Constants;
  sizes: Record<string, number>;
  bindings: Bindings;
}

/** A kernel with one invocation per element, `sizes.count` of them. */
export function lowerElements(
  at: Lowering,
  use: KernelUse & { sizes: { count: number } },
): Promise<Dispatch> {
  const { threads } = at.tuning;
  return lower(at, use, { THREADS: threads }, gridFor(use.sizes.count, threads));
}

/** A kernel that includes `row-sum`, of `sizes.rows` rows. */
export function lowerRows(at: Lowering, use: KernelUse & { sizes: { rows: number } }): Promise<Dispatch> {
  const { lanes, rows } = at.tuning;
  return lower(at, use, { LANES: lanes, ROWS_PER_GROUP: rows }, gridFor(use.sizes.rows, rows));
}

async function lower(
  { gpu, arena }: Lowering,
  { source, constants, sizes, bindings }: KernelUse,
  shape: Constants,
  groups: Dispatch['groups'],
): Promise<Dispatch> {
  const name = /([^/]+)\.wgsl$/.exec(source.pathname)![1];
  const kernel = await gpu.kernel({
    label: `nn/${name}`,
    source,
    constants: { ...shape, ...constants },
  });
  const uniform = arena.uniform(`${name}/sizes`, kernel.struct('Sizes').size);
  gpu.write(uniform, kernel.pack('Sizes', sizes), 'parameters');
  return { bound: kernel.bind({ sizes: uniform, ...bindings }), groups };
}
