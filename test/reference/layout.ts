import type { SafeTensor } from '../../stages/clip/safetensors.ts';
import type { Gpu } from '../../wgsl/core/index.ts';

/** The outcome for one tensor, ready to print. */
export interface Row {
  tensor: string;
  error: string;
  limit: string;
  pass: boolean;
}

/** A kind of reference file: recognised by its tensors' names, and checked against our kernels. */
export interface Layout {
  name: string;
  recognises(names: string[]): boolean;
  /**
   * @param metadata the file's own `__metadata__`.
   * @throws InputError where a tensor is missing or has a shape that does not fit the others.
   */
  check(
    gpu: Gpu,
    path: string,
    tensors: Map<string, SafeTensor>,
    metadata: Record<string, string>,
  ): Promise<Row[]>;
}
