import {
  type Arena,
  type BoundKernel,
  bindRows,
  defineKernel,
  type Gpu,
  type KernelTarget,
  loopingGrid,
  type Recorder,
} from '../core/index.ts';
import type { Rasterizer } from './rasterizer.ts';
import type { RasterizerBackward } from './rasterizer-backward.ts';
import type { GaussianBuffers } from './types.ts';
import { shConstants, shRowBytes } from './types.ts';

const MAX_GROUPS = 16384;

/** Threads a group of the kernels that sum intersections. The order of the sums depends on it. */
export const SUM_THREADS: Readonly<Record<KernelTarget, number>> = { subgroup: 128, portable: 128, cpu: 16 };
const portable = { SIZE: SUM_THREADS.portable, COOPERATIVE: true };
/** Threads do not share the work: barriers are slow on a CPU. */
const cpu = { SIZE: SUM_THREADS.cpu, COOPERATIVE: false };
export const SUM_CONSTANTS = { portable, cpu };

export const PROJECT_BACKWARD = defineKernel({
  label: 'splat/project-backward',
  example: { ...shConstants(3), ANTIALIAS: true },
  variants: {
    portable: { source: new URL('./project-backward.wgsl', import.meta.url), constants: portable },
    cpu: { constants: cpu },
  },
});

/**
 * Writes out the gradients of all raw parameters, from the sums that a backward pass stores per intersection. Training uses
 * `SplatAdam` instead, which does not store them. Rows beyond the count keep their values.
 */
export class ParameterGradients {
  /** dL/d of means, logScales, quats (un-normalised), opacityLogits, sh: the shapes of the parameters. */
  readonly gradients: GaussianBuffers;
  /** f32 [N,2]: ‖dL/d(mean in pixels)·size/2‖ and radius ÷ longest side; 0 where invisible. */
  readonly screen: GPUBuffer;
  readonly #steps: readonly { bound: BoundKernel; groups: readonly [number, number, number] }[];

  private constructor(
    gradients: GaussianBuffers,
    screen: GPUBuffer,
    steps: readonly { bound: BoundKernel; groups: readonly [number, number, number] }[],
  ) {
    this.gradients = gradients;
    this.screen = screen;
    this.#steps = steps;
  }

  /** Compiles the kernel and allocates the gradients' buffers in the arena. `backward`: the backward pass of `forward`. */
  static async create(
    gpu: Gpu,
    arena: Arena,
    forward: Rasterizer,
    { intersectionGradients }: RasterizerBackward,
  ): Promise<ParameterGradients> {
    const { label, gaussians, gaussianCount, rows, shDegree, target, antialias } = forward.options;
    const kernel = await gpu.kernel(PROJECT_BACKWARD, {
      target,
      constants: { ...shConstants(shDegree), ANTIALIAS: antialias },
    });
    const shBytes = shRowBytes(shDegree);
    const buffer = (role: string, bytes: number) => arena.buffer(`${label}/${role}`, bytes);
    const screen = buffer('screen', 8 * rows);
    const gradients = {
      means: buffer('gradients/means', 12 * rows),
      logScales: buffer('gradients/logScales', 12 * rows),
      quats: buffer('gradients/quats', 16 * rows),
      opacityLogits: buffer('gradients/opacityLogits', 4 * rows),
      sh: buffer('gradients/sh', shBytes * rows),
    };
    const { view, windows, projected, tileCounts, intersectionFromGaussian } = forward.internals;
    const steps = windows.map((window) => ({
      bound: kernel.bind({
        view,
        window: window.uniform,
        gaussianCount,
        means: gaussians.means,
        logScales: gaussians.logScales,
        quats: gaussians.quats,
        sh: bindRows(gaussians.sh, window, shBytes),
        projected,
        tileCounts,
        intersectionFromGaussian,
        intersectionGradients,
        gradMeans: gradients.means,
        gradLogScales: gradients.logScales,
        gradQuats: gradients.quats,
        gradOpacityLogits: gradients.opacityLogits,
        gradSh: bindRows(gradients.sh, window, shBytes),
        screen,
      }),
      groups: loopingGrid({ target }, window.rows, SUM_THREADS[target], MAX_GROUPS),
    }));
    return new ParameterGradients(gradients, screen, steps);
  }

  /** Record it after `backward` of the same view. Overwrites `gradients` and `screen`. */
  record(recorder: Recorder): void {
    for (const { bound, groups } of this.#steps) {
      recorder.run(bound, groups);
    }
  }
}
