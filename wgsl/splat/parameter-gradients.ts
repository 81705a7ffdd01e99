import {
  type Arena,
  type BoundKernel,
  bindRows,
  type Gpu,
  loopingGrid,
  type Recorder,
} from '../core/index.ts';
import type { Rasterizer } from './rasterizer.ts';
import type { RasterizerBackward } from './rasterizer-backward.ts';
import type { GaussianBuffers } from './types.ts';
import { shConstants, shRowBytes } from './types.ts';

const MAX_GROUPS = 16384;

/** Of kernels that sum intersections: threads a group, and whether they help each other. The sums' order depends on it. */
export function sumsShape({ target }: Gpu): { SIZE: number; TEAMWORK: boolean } {
  return target === 'cpu' ? { SIZE: 16, TEAMWORK: false } : { SIZE: 128, TEAMWORK: true };
}

/**
 * Writes out the gradients of all raw parameters, from what a backward pass stores per intersection. Record it after that
 * backward pass. Training takes the shorter way of `SplatAdam`, which never stores them. Rows beyond the count keep their values.
 */
export class ParameterGradients {
  /** dL/d of means, logScales, quats (un-normalised), opacityLogits, sh: the shapes of the parameters. */
  readonly gradients: GaussianBuffers;
  /** f32 [N,2]: ‖dL/d(mean in pixels)·size/2‖ and radius ÷ longest side; 0 where invisible. */
  readonly screen: GPUBuffer;
  readonly #gpu: Gpu;
  readonly #steps: readonly { bound: BoundKernel; rows: number }[];

  private constructor(
    gpu: Gpu,
    gradients: GaussianBuffers,
    screen: GPUBuffer,
    steps: readonly { bound: BoundKernel; rows: number }[],
  ) {
    this.#gpu = gpu;
    this.gradients = gradients;
    this.screen = screen;
    this.#steps = steps;
  }

  /** `backward`: the backward pass of `forward`. */
  static async create(
    gpu: Gpu,
    arena: Arena,
    forward: Rasterizer,
    { intersectionGradients }: RasterizerBackward,
  ): Promise<ParameterGradients> {
    const { label, gaussians, gaussianCount, rows, shDegree } = forward.options;
    const kernel = await gpu.kernel({
      label: 'splat/project-backward',
      source: new URL('./project-backward.wgsl', import.meta.url),
      constants: { ...sumsShape(gpu), ...shConstants(shDegree) },
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
      rows: window.rows,
    }));
    return new ParameterGradients(gpu, gradients, screen, steps);
  }

  record(recorder: Recorder): void {
    for (const { bound, rows } of this.#steps) {
      recorder.run(bound, loopingGrid(this.#gpu, rows, sumsShape(this.#gpu).SIZE, MAX_GROUPS));
    }
  }
}
