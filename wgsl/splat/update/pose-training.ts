import {
  type Arena,
  type BoundKernel,
  bindRows,
  defineKernel,
  type Gpu,
  type Kernel,
  loopingGrid,
  type Recorder,
} from '../../core/index.ts';
import type { Rasterizer } from '../rasterizer.ts';
import { type PinholeCamera, shConstants, shRowBytes } from '../types.ts';
import { centerOf } from '../view-values.ts';
import type { SplatAdam } from './splat-adam.ts';

/** Gaussians of a workgroup of pose-gradients: windows are whole blocks. */
const BLOCK = 256;
const MAX_GROUPS = 16384;
/** Threads of pose-update. */
const SIZE = 256;
/** Bytes of a pose, and of its part that View begins with. */
const POSE_BYTES = 64;
const VIEW_BYTES = 60;

export const POSE_GRADIENTS = defineKernel({
  label: 'splat/pose-gradients',
  constants: { SIZE: BLOCK },
  example: shConstants(3),
  variants: { portable: { source: new URL('./pose-gradients.wgsl', import.meta.url) } },
});
export const POSE_UPDATE = defineKernel({
  label: 'splat/pose-update',
  constants: { SIZE, BLOCK },
  variants: { portable: { source: new URL('./pose-update.wgsl', import.meta.url) } },
});

/** Floats of a pose: the three upper rows of viewmat, the camera's centre, 0. */
export const POSE_FLOATS = POSE_BYTES / 4;
/** Floats of a pose's gradient: translation and rotation, in camera axes. */
export const TWIST_FLOATS = 6;

/** A camera's pose as the kernels hold it. */
export function poseOf({ viewmat }: Pick<PinholeCamera, 'viewmat'>): Float32Array {
  return Float32Array.from([...viewmat.slice(0, 12), ...centerOf(viewmat), 0]);
}

/** Options of `PoseTraining.create`. */
export interface PoseTrainingOptions {
  /** Prefix of the buffers' labels. */
  label: string;
  /** f32 [views, 16]: see `poseOf`. */
  poses: GPUBuffer;
  /** Adam's moments, f32 [views, 6], and u32 [views], the steps that each view took; zero at the start. */
  moments: { m: GPUBuffer; v: GPUBuffer; steps: GPUBuffer };
}

/**
 * Trains the poses of views: the gradient of exp(ξ)·T at ξ = 0, from the gradients of the Gaussians, and a step of Adam (torch's, β 0.9 and
 * 0.999, ε 1e-8) on the pose of the view that a step shows. Sums have a fixed order. In a void step no pose changes.
 */
export class PoseTraining {
  readonly #gpu: Gpu;
  readonly #options: PoseTrainingOptions;
  readonly #view: GPUBuffer;
  readonly #step: GPUBuffer;
  readonly #layout: Kernel;
  readonly #passes: readonly { bound: BoundKernel; groups: readonly [number, number, number] }[];
  #index = 0;

  private constructor(
    gpu: Gpu,
    options: PoseTrainingOptions,
    buffers: { view: GPUBuffer; step: GPUBuffer },
    layout: Kernel,
    passes: readonly { bound: BoundKernel; groups: readonly [number, number, number] }[],
  ) {
    this.#gpu = gpu;
    this.#options = options;
    this.#view = buffers.view;
    this.#step = buffers.step;
    this.#layout = layout;
    this.#passes = passes;
  }

  /** Compiles the kernels and allocates their buffers in the arena. `adam`: that of `forward`; it trains more than SH. */
  static async create(
    gpu: Gpu,
    arena: Arena,
    forward: Rasterizer,
    { gradColors, gradGeometry }: SplatAdam,
    options: PoseTrainingOptions,
  ): Promise<PoseTraining> {
    const { label, poses, moments } = options;
    const { gaussians, gaussianCount, rows, shDegree, target } = forward.options;
    const { view, windows, tileCounts } = forward.internals;
    const [gradients, update] = await Promise.all([
      gpu.kernel(POSE_GRADIENTS, { constants: shConstants(shDegree) }),
      gpu.kernel(POSE_UPDATE),
    ]);
    const partials = arena.buffer(`${label}/partials`, 32 * Math.ceil(rows / BLOCK));
    const step = arena.uniform(`${label}/step`, update.struct('PoseStep').size);
    const { means, quats, sh } = gaussians;
    const passes = windows.map((window) => ({
      bound: gradients.bind({
        view,
        window: window.uniform,
        gaussianCount,
        tileCounts,
        means,
        quats,
        sh: bindRows(sh, window, shRowBytes(shDegree)),
        gradColors,
        gradGeometry,
        partials,
      }),
      groups: loopingGrid({ target }, window.rows, BLOCK, MAX_GROUPS),
    }));
    const last = update.bind({ step, gaussianCount, partials, poses, ...moments });
    return new PoseTraining(gpu, options, { view, step }, update, [
      ...passes,
      { bound: last, groups: [1, 1, 1] },
    ]);
  }

  /**
   * Sets the row of the next submitted step's view, and Adam's rates: of the rotation in radians, of the translation in world units. Writes
   * one small uniform at once.
   */
  setStep(index: number, rates: { rotation: number; translation: number }): void {
    this.#index = index;
    this.#gpu.write(this.#step, this.#layout.pack('PoseStep', { index, ...rates }), 'parameters');
  }

  /** Records the view's pose into the rasteriser's view. Record it before the forward pass, after `Rasterizer.setView`. */
  recordView(recorder: Recorder): void {
    recorder.copy(this.#options.poses, this.#view, VIEW_BYTES, POSE_BYTES * this.#index, 0);
  }

  /** Records the step. Record it after the gradients, before the parameters move: see `SplatAdam.record`. */
  record(recorder: Recorder): void {
    for (const { bound, groups } of this.#passes) recorder.run(bound, groups);
  }
}
