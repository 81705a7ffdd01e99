import { type Constants, gridFor, type Kernel } from '../core/index.ts';
import type { Lowering } from './graph.ts';
import type { Dispatch } from './product.ts';
import type { Tuning } from './tuning.ts';

/** Constants of kernels that include `row_sum` and reduce `rows` rows of `width`. */
export function rowConstants({ lanes, rows: perGroup }: Tuning, rows: number, width: number): Constants {
  return { LANES: lanes, ROWS_PER_GROUP: perGroup, ROWS: rows, WIDTH: width };
}

export function rowGrid({ rows: perGroup }: Tuning, rows: number): Dispatch['groups'] {
  return gridFor(rows, perGroup);
}

/** Compiles `<name>.wgsl` of this folder. */
export function kernelOf({ gpu }: Lowering, name: string, constants: Constants): Promise<Kernel> {
  return gpu.kernel({ label: `nn/${name}`, source: new URL(`./${name}.wgsl`, import.meta.url), constants });
}
