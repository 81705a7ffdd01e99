import { type Dispatch, type DispatchContext, defineRowwise, dispatchRows } from './dispatch.ts';

export const UNIT_ROWS = defineRowwise('nn/unit-rows', new URL('./unit-rows.wgsl', import.meta.url));

/** y = x/|x| over rows of x [rows, width]. */
export function dispatchUnitRows(
  context: DispatchContext,
  sizes: { rows: number; width: number },
  bindings: { x: GPUBuffer; y: GPUBuffer },
): Promise<Dispatch> {
  return dispatchRows(context, UNIT_ROWS, { sizes, bindings });
}
