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
  check(gpu: Gpu, path: string, tensors: Map<string, SafeTensor>): Promise<Row[]>;
}
