import { type Arena, bindRows, defineKernel, gridFor, rowWindows } from '../../core/index.ts';

const GROUP = 256;

export const BLEND_ROWS = defineKernel({
  label: 'splat/edit/blend-rows',
  constants: { GROUP },
  variants: { portable: { source: new URL('./blend-rows.wgsl', import.meta.url) } },
});

/** Options of `blendRows`: one parameter of two splats. */
export interface BlendOptions {
  /** f32 [count, width], the two inputs and the result. */
  base: GPUBuffer;
  styled: GPUBuffer;
  result: GPUBuffer;
  count: number;
  /** Floats of a Gaussian. */
  width: number;
  /** Factor of all weights, in [0, 1]. */
  strength: number;
  /** f32 [count], in [0, 1]. */
  weights: GPUBuffer;
}

/**
 * Submits result = base + strength·weight·(styled − base), per Gaussian. Where strength·weight is 0, the result has the bits of
 * `base`; where it is 1, those of `styled`. The arena owns the uniforms.
 */
export async function blendRows(
  arena: Arena,
  { base, styled, result, count, width, strength, weights }: BlendOptions,
): Promise<void> {
  const { gpu } = arena;
  const kernel = await gpu.kernel(BLEND_ROWS);
  const rowBytes = 4 * width;
  for (const window of count ? rowWindows(gpu, count, rowBytes) : []) {
    const sizes = arena.uniform('blend/sizes', kernel.struct('Sizes').size);
    const words = window.rows * width;
    gpu.write(sizes, kernel.pack('Sizes', { words, width, firstRow: window.first, strength }), 'parameters');
    const bound = kernel.bind({
      sizes,
      base: bindRows(base, window, rowBytes),
      styled: bindRows(styled, window, rowBytes),
      result: bindRows(result, window, rowBytes),
      weights,
    });
    gpu.run('splat/edit/blend-rows', (recorder) => recorder.run(bound, gridFor(words, GROUP)));
  }
}
