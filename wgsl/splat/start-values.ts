import { type Arena, defineKernel, gridFor } from '../core/index.ts';

const SIZE = 256;
export const START_VALUES = defineKernel({
  label: 'splat/start-values',
  constants: { SIZE },
  variants: { portable: { source: new URL('./start-values.wgsl', import.meta.url) } },
});

/** Sets opacityLogits to logit(opacity) and multiplies scales, once, before training. */
export async function applyStartValues(
  arena: Arena,
  gaussians: { count: number; opacityLogits: GPUBuffer; logScales: GPUBuffer },
  start: { opacity: number; scale: number },
): Promise<void> {
  const { gpu } = arena;
  const kernel = await gpu.kernel(START_VALUES);
  const uniform = arena.uniform('start', kernel.struct('Start').size);
  const values = {
    count: gaussians.count,
    opacityLogit: Math.log(start.opacity / (1 - start.opacity)),
    logFactor: Math.log(start.scale),
  };
  gpu.write(uniform, kernel.pack('Start', values), 'parameters');
  const { opacityLogits, logScales } = gaussians;
  gpu.run('train/start', (recorder) =>
    recorder.run(kernel.bind({ start: uniform, opacityLogits, logScales }), gridFor(gaussians.count, SIZE)),
  );
  arena.release(uniform);
}
