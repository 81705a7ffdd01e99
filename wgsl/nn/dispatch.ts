import {
  type Arena,
  type Bindings,
  type BoundKernel,
  type Constants,
  defineKernel,
  gridFor,
  type KernelDefinition,
  type KernelTarget,
} from '../core/index.ts';

/** A kernel with its buffers and its grid: one entry of a program. */
export interface Dispatch {
  bound: BoundKernel;
  groups: readonly [number, number, number];
}

/** The context of dispatches. */
export interface DispatchContext {
  /** Owns the uniforms of the dispatches. */
  arena: Arena;
  /** The variants of kernels that run. Results are bit-exact per target, not across targets. */
  target: KernelTarget;
}

/** One use of a kernel. */
export interface SizedUse {
  /** Only values that change the code. Dimensions are in `sizes`, so tensors of all shapes share a pipeline. */
  constants?: Constants;
  /** The members of the uniform `sizes: Sizes`. */
  sizes: Record<string, number>;
  /** Buffers by the other names of the WGSL. */
  bindings: Bindings;
}

/** On CPUs the start of an invocation costs as much as several elements. */
const ELEMENTWISE = { portable: { THREADS: 256, ITEMS: 1 }, cpu: { THREADS: 64, ITEMS: 4 } };
/** On GPUs a workgroup reduces a row, for there may be few rows. On CPUs one invocation does: each barrier is a coroutine switch. */
const ROWWISE = { portable: { LANES: 128, ROWS_PER_GROUP: 1 }, cpu: { LANES: 1, ROWS_PER_GROUP: 8 } };

/** A kernel that includes `elementwise`. `example`: see `KernelDefinition`; `enables`: WGSL extensions. */
export function defineElementwise(
  label: string,
  source: URL,
  example?: Constants,
  enables?: readonly string[],
): KernelDefinition {
  return defineShaped(label, source, ELEMENTWISE, example, enables);
}

/** A kernel that includes `rowwise`. */
export function defineRowwise(label: string, source: URL, example?: Constants): KernelDefinition {
  return defineShaped(label, source, ROWWISE, example);
}

/** Runs a kernel of `defineElementwise` on `sizes.count` elements. */
export function dispatchElements(
  context: DispatchContext,
  kernel: KernelDefinition,
  use: SizedUse & { sizes: { count: number } },
): Promise<Dispatch> {
  const { THREADS, ITEMS } = shapeFor(context.target, ELEMENTWISE);
  return dispatch(context, kernel, use, gridFor(use.sizes.count, ITEMS * THREADS));
}

/** Runs a kernel of `defineRowwise` on `sizes.rows` rows of `sizes.width` floats. */
export function dispatchRows(
  context: DispatchContext,
  kernel: KernelDefinition,
  use: SizedUse & { sizes: { rows: number; width: number } },
): Promise<Dispatch> {
  const { ROWS_PER_GROUP } = shapeFor(context.target, ROWWISE);
  return dispatch(context, kernel, use, gridFor(use.sizes.rows, ROWS_PER_GROUP));
}

/** Constants that shape a workgroup. GPUs with and without subgroups share one shape. */
interface Shapes<C extends Constants> {
  portable: C;
  cpu: C;
}

/** One source in two workgroup shapes. */
function defineShaped(
  label: string,
  source: URL,
  { portable, cpu }: Shapes<Constants>,
  example?: Constants,
  enables?: readonly string[],
): KernelDefinition {
  return defineKernel({
    label,
    example,
    variants: { portable: { source, constants: portable, enables }, cpu: { constants: cpu, enables } },
  });
}

function shapeFor<C extends Constants>(target: KernelTarget, { portable, cpu }: Shapes<C>): C {
  return target === 'cpu' ? cpu : portable;
}

async function dispatch(
  { arena, target }: DispatchContext,
  definition: KernelDefinition,
  { constants, sizes, bindings }: SizedUse,
  groups: Dispatch['groups'],
): Promise<Dispatch> {
  const kernel = await arena.gpu.kernel(definition, { constants, target });
  const uniform = arena.uniform(`${definition.label}/sizes`, kernel.struct('Sizes').size);
  arena.gpu.write(uniform, kernel.pack('Sizes', sizes), 'parameters');
  return { bound: kernel.bind({ sizes: uniform, ...bindings }), groups };
}
