import {
  type Arena,
  type Bindings,
  type BoundKernel,
  type Constants,
  gridFor,
  type KernelDefinition,
  type Recorder,
} from '../../core/index.ts';

/** Threads in a workgroup of these kernels; each processes one row or one number. */
export const GROUP = 256;

/** Words of a prefix sum's result: the number of entries, and their sum. */
export const SCAN_TOTALS = { ENTRIES: 0, TOTAL: 1 } as const;

/** Special values in a list of source rows: the row has no source; the row is pending. */
export const SOURCES = { NONE: 0xffffffff, PENDING: 0xfffffffe } as const;

/** Divisor of the scales of the halves of a split: 0.8 × the number of halves (3DGS, densifyAndSplit). */
export const SPLIT_SHRINK = 1.6;

/** A kernel with its buffers, and its number of threads. */
export interface Bound {
  kernel: BoundKernel;
  threads: number;
}

export interface PassSpec {
  kernel: KernelDefinition;
  /** Added to those of the definition. */
  constants?: Constants;
  /** The uniform: its struct, its variable, and its values. */
  struct: string;
  variable: string;
  numbers: Record<string, number>;
  /** Buffers by their WGSL names. */
  buffers: Bindings;
  threads: number;
}

/**
 * The common form of a densification kernel: it runs over a number of items known to the host, bound to one uniform and the buffers
 * of one refinement; for buffers larger than a binding, once for each window.
 */
export abstract class FixedPass {
  readonly #bound: readonly Bound[];

  protected constructor(...bound: Bound[]) {
    this.#bound = bound;
  }

  record(recorder: Recorder): void {
    for (const { kernel, threads } of this.#bound) recorder.run(kernel, gridFor(threads, GROUP));
  }
}

/** Compiles the kernel, writes its uniform into the arena, and binds. */
export async function bindPass(arena: Arena, spec: PassSpec): Promise<Bound> {
  const { kernel: definition, constants, struct, variable, numbers, buffers, threads } = spec;
  const kernel = await arena.gpu.kernel(definition, { constants });
  const uniform = arena.uniform(`${definition.label}/${variable}`, kernel.struct(struct).size);
  arena.gpu.write(uniform, kernel.pack(struct, numbers), 'parameters');
  return { kernel: kernel.bind({ [variable]: uniform, ...buffers }), threads };
}
