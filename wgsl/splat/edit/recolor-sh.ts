import { type Arena, bindRows, defineKernel, gridFor, rowWindows } from '../../core/index.ts';
import { SH_C0 } from '../types.ts';

const GROUP = 256;

export const RECOLOR_SH = defineKernel({
  label: 'splat/edit/recolor-sh',
  constants: { GROUP },
  variants: { portable: { source: new URL('./recolor-sh.wgsl', import.meta.url) } },
});

type Row = readonly [number, number, number];

/** Options of `recolorSh`. */
export interface RecolorOptions {
  /** f32 [count, (shDegree+1)², 3], the input and the result, which may not be the same buffer. */
  sh: GPUBuffer;
  result: GPUBuffer;
  count: number;
  shDegree: number;
  /** f32 [count], in [0, 1]: how much of the change each Gaussian takes. */
  weights: GPUBuffer;
  /** c' = matrix·c + offset of rgb colours, before negative values are clamped to 0; `matrix` by rows. */
  change: { matrix: readonly [Row, Row, Row]; offset: Row };
}

/**
 * Submits an affine change of the colour of every Gaussian, from all directions: sh' = sh + weight·(changed − sh). Where the weight is 0,
 * the result has the bits of `sh`. The arena owns the uniforms.
 */
export async function recolorSh(
  arena: Arena,
  { sh, result, count, shDegree, weights, change: { matrix, offset } }: RecolorOptions,
): Promise<void> {
  const { gpu } = arena;
  const kernel = await gpu.kernel(RECOLOR_SH);
  const width = (shDegree + 1) ** 2;
  const rowBytes = 12 * width;
  // Band 0 holds (c − 0.5) / SH_C0.
  const [red, green, blue] = matrix.map((row, channel) => {
    const gray = row[0] + row[1] + row[2];
    return [...row, (0.5 * gray + offset[channel] - 0.5) / SH_C0];
  });
  for (const window of count ? rowWindows(gpu, count, rowBytes) : []) {
    const uniform = arena.uniform('recolor-sh/change', kernel.struct('Recolor').size);
    const coefficients = window.rows * width;
    const packed = kernel.pack('Recolor', { red, green, blue, coefficients, width, firstRow: window.first });
    gpu.write(uniform, packed, 'parameters');
    const bound = kernel.bind({
      recolor: uniform,
      sh: bindRows(sh, window, rowBytes),
      result: bindRows(result, window, rowBytes),
      weights,
    });
    gpu.run('splat/edit/recolor-sh', (recorder) => recorder.run(bound, gridFor(coefficients, GROUP)));
  }
}
