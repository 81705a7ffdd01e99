import type { Gpu } from '../core/index.ts';

/** How the kernels of this room are shaped for an adapter. Results are bit-exact per adapter, not across shapes. */
export interface Tuning {
  /** Which body multiplies matrices; `shuffle` needs subgroups. */
  product: 'rows' | 'shuffle' | 'tiled';
  /** Invocations that share one row in kernels that reduce rows; a power of two. */
  lanes: number;
  /** Rows per workgroup there. */
  rows: number;
  /** Workgroup size of elementwise kernels. */
  threads: number;
}

/** For GPUs: rows are reduced by 32 invocations together. */
export const GPU_TUNING: Tuning = { product: 'tiled', lanes: 32, rows: 4, threads: 256 };

/** For software adapters: no barriers (each is a switch of coroutines), one row per invocation. */
export const SOFTWARE_TUNING: Tuning = { product: 'rows', lanes: 1, rows: 8, threads: 64 };

export function tuningFor(gpu: Gpu): Tuning {
  if (gpu.target !== 'cpu') return GPU_TUNING;
  const { subgroupMinSize: least, subgroupMaxSize: most } = gpu.adapter;
  const known = gpu.has('subgroups') && least === most && most >= 4;
  return known ? { ...SOFTWARE_TUNING, product: 'shuffle' } : SOFTWARE_TUNING;
}
