import { type Arena, type Constants, defineKernel, GpuError, type KernelDefinition } from '../core/index.ts';
import type { Dispatch } from '../nn/dispatch.ts';

function defineRows(label: string, source: URL, example: Constants = {}): KernelDefinition {
  return defineKernel({
    label: `transformer/${label}`,
    example: { THREADS: 128, ...example },
    variants: { portable: { source, enables: ['f16', 'subgroups'] } },
  });
}

export const NORMALISE = defineRows('normalise', new URL('./normalise.wgsl', import.meta.url), { VALUES: 6 });
export const NORMALISE_BACKWARD = defineRows(
  'normalise-backward',
  new URL('./normalise-backward.wgsl', import.meta.url),
  { VALUES: 6, INCOMING: 1 },
);
export const SCALE_ROWS = defineRows('scale-rows', new URL('./scale-rows.wgsl', import.meta.url));
export const EMBED_TOKENS = defineRows('embed-tokens', new URL('./embed-tokens.wgsl', import.meta.url), {
  VALUES: 6,
  HAS_NORM: true,
});
export const EMBED_TOKENS_BACKWARD = defineRows(
  'embed-tokens-backward',
  new URL('./embed-tokens-backward.wgsl', import.meta.url),
  { VALUES: 6, HAS_NORM: true },
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
  if (rows > MAX_ROWS) {
    throw new GpuError(
      `${definition.label}: ${rows} rows of tokens exceed WebGPU's limit of ${MAX_ROWS} workgroups. ` +
        'Use fewer crops (crops.count)',
    );
  }
  // Few rows leave multiprocessors idle, so each gets more invocations.
  let threads = rows < 1024 ? 256 : 128;
  while (threads > 64 && threads >= 2 * sizes.width) threads /= 2;
  const shape = { THREADS: threads, VALUES: Math.ceil(sizes.width / threads) };
  const kernel = await arena.gpu.kernel(definition, { constants: { ...shape, ...constants } });
  const uniform = arena.uniform(`${definition.label}/sizes`, kernel.struct('Sizes').size);
  arena.gpu.write(uniform, kernel.pack('Sizes', sizes), 'parameters');
  return { bound: kernel.bind({ sizes: uniform, ...bindings }), groups: [rows, 1, 1] };
}
