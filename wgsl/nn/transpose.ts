import { type DispatchContext, defineElementwise, dispatchElements } from './dispatch.ts';

export const TRANSPOSE = defineElementwise('nn/transpose', new URL('./transpose.wgsl', import.meta.url));

/** A new buffer of the context's arena with the transpose of a row-major matrix [rows, columns]; computed once, at the call. */
export async function transposedCopy(
  context: DispatchContext,
  label: string,
  matrix: GPUBuffer,
  rows: number,
  columns: number,
): Promise<GPUBuffer> {
  const { arena } = context;
  const copy = arena.buffer(`${label}/transposed`, 4 * rows * columns);
  const { bound, groups } = await dispatchElements(context, TRANSPOSE, {
    sizes: { count: rows * columns, rows, columns },
    bindings: { matrix, transposed: copy },
  });
  arena.gpu.run(`${label}/transpose`, (recorder) => recorder.run(bound, groups));
  return copy;
}
