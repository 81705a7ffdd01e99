import { type Arena, type Constants, defineKernel, GpuError, type KernelDefinition } from '../core/index.ts';
import type { Dispatch } from '../nn/dispatch.ts';

function defineRows(label: string, source: URL, example: Constants): KernelDefinition {
  return defineKernel({
    label: `transformer/${label}`,
    example,
    variants: { portable: { source, enables: ['f16', 'subgroups'] } },
  });
}

/** With a subgroup a row: `dispatchRows`. */
export const NORMALISE = defineRows('normalise', new URL('./normalise.wgsl', import.meta.url), {
  WIDTH: 768,
  ROWS: 4,
});
export const NORMALISE_BACKWARD = defineRows(
  'normalise-backward',
  new URL('./normalise-backward.wgsl', import.meta.url),
  { WIDTH: 768, ROWS: 4, INCOMING: 1 },
);

/** With a workgroup a row: `dispatchRowGroups`. */
export const SCALE_ROWS = defineRows('scale-rows', new URL('./scale-rows.wgsl', import.meta.url), {
  THREADS: 128,
  VALUES: 2,
});
export const EMBED_TOKENS = defineRows('embed-tokens', new URL('./embed-tokens.wgsl', import.meta.url), {
  THREADS: 128,
  VALUES: 6,
  HAS_NORM: true,
});
export const EMBED_TOKENS_BACKWARD = defineRows(
  'embed-tokens-backward',
  new URL('./embed-tokens-backward.wgsl', import.meta.url),
  { THREADS: 128, VALUES: 6, HAS_NORM: true },
);

/** What the gradient of the stream was before: nothing, the same rows, or one row an image. */
export const INCOMING = { nothing: 0, sameRows: 1, pooled: 2 } as const;

/** WebGPU's minimum limit on workgroups along an axis. */
export const MAX_ROWS = 65535;

/** Runs a kernel of one workgroup a row. @throws GpuError for more rows than WebGPU starts workgroups. */
export async function dispatchRowGroups(
  arena: Arena,
  definition: KernelDefinition,
  rows: number,
  sizes: Record<string, number> & { width: number },
  bindings: Record<string, GPUBuffer>,
  constants: Constants = {},
): Promise<Dispatch> {
  requireRows(definition, rows);
  // Few rows leave multiprocessors idle, so each gets more invocations.
  let threads = rows < 1024 ? 256 : 128;
  while (threads > 64 && threads >= 2 * sizes.width) threads /= 2;
  // An invocation of scale-rows takes four columns at a time.
  const columns = definition === SCALE_ROWS ? sizes.width / 4 : sizes.width;
  const shape = { THREADS: threads, VALUES: Math.ceil(columns / threads) };
  return bindRows(arena, definition, { ...shape, ...constants }, sizes, bindings, rows);
}

/** Runs a kernel of one subgroup a row, for rows of a multiple of four columns. @throws GpuError as `dispatchRowGroups`. */
export async function dispatchRows(
  arena: Arena,
  definition: KernelDefinition,
  rows: number,
  { width, ...sizes }: Record<string, number> & { width: number },
  bindings: Record<string, GPUBuffer>,
  constants: Constants = {},
): Promise<Dispatch> {
  requireRows(definition, rows);
  // Few rows leave multiprocessors idle, so each gets a workgroup.
  const shape = { WIDTH: width, ROWS: rows < 1024 ? 1 : 4 };
  const groups = Math.ceil(rows / shape.ROWS);
  return bindRows(arena, definition, { ...shape, ...constants }, { rows, ...sizes }, bindings, groups);
}

function requireRows({ label }: KernelDefinition, rows: number): void {
  if (rows <= MAX_ROWS) return;
  throw new GpuError(
    `${label}: ${rows} rows of tokens exceed WebGPU's limit of ${MAX_ROWS} workgroups. ` +
      'Use fewer crops (crops.count)',
  );
}

async function bindRows(
  arena: Arena,
  definition: KernelDefinition,
  constants: Constants,
  sizes: Record<string, number>,
  bindings: Record<string, GPUBuffer>,
  groups: number,
): Promise<Dispatch> {
  const kernel = await arena.gpu.kernel(definition, { constants });
  const uniform = arena.uniform(`${definition.label}/sizes`, kernel.struct('Sizes').size);
  arena.gpu.write(uniform, kernel.pack('Sizes', sizes), 'parameters');
  return { bound: kernel.bind({ sizes: uniform, ...bindings }), groups: [groups, 1, 1] };
}
