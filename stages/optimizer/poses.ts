import type { Arena, Gpu, Recorder } from '../../wgsl/core/index.ts';
import type { Rasterizer } from '../../wgsl/splat/rasterizer.ts';
import { PoseGauge } from '../../wgsl/splat/update/pose-gauge.ts';
import { POSE_FLOATS, PoseTraining, poseOf, TWIST_FLOATS } from '../../wgsl/splat/update/pose-training.ts';
import type { SplatAdam } from '../../wgsl/splat/update/splat-adam.ts';
import type { View } from '../artefacts/dataset.ts';
import type { Poses } from '../artefacts/poses.ts';
import type { CheckpointTensors } from './checkpoint-tensors.ts';

/** The kernels of a step on the poses, bound to an optimiser's buffers. */
export interface PoseEngine {
  prepare(step: number, view: View): void;
  /** Before the forward pass. */
  recordView(recorder: Recorder): void;
  /** Between the gradients and the update of the Gaussians. */
  recordUpdate(recorder: Recorder): void;
}

/**
 * The poses of the training views: those of the dataset at the start. A step trains the pose of its view; a gauge then
 * removes the least-squares similarity between all poses and those of the dataset.
 */
export class ViewPoses {
  readonly #gpu: Gpu;
  readonly #views: readonly View[];
  readonly #poses: GPUBuffer;
  readonly #moments: { m: GPUBuffer; v: GPUBuffer; steps: GPUBuffer };
  readonly #anchors: Float32Array;
  readonly #extent: number;
  readonly #rateAt: (step: number) => number;

  /** `rateAt`: Adam's rate of the rotation, radians; times `extent` it is that of the translation. The buffers belong to the arena. */
  constructor(
    arena: Arena,
    views: readonly View[],
    { extent, rateAt }: { extent: number; rateAt(step: number): number },
  ) {
    this.#gpu = arena.gpu;
    this.#views = views;
    this.#extent = extent;
    this.#rateAt = rateAt;
    this.#anchors = new Float32Array(POSE_FLOATS * views.length);
    for (const [i, { camera }] of views.entries()) this.#anchors.set(poseOf(camera), POSE_FLOATS * i);
    this.#poses = arena.upload('poses', this.#anchors, 'parameters');
    this.#moments = {
      m: arena.buffer('poses/m', 4 * TWIST_FLOATS * views.length),
      v: arena.buffer('poses/v', 4 * TWIST_FLOATS * views.length),
      steps: arena.buffer('poses/steps', 4 * views.length),
    };
  }

  /** Everything that outlives a step, for a checkpoint. */
  get tensors(): CheckpointTensors {
    const { m, v, steps } = this.#moments;
    const buffers = { poses: this.#poses, 'poses/m': m, 'poses/v': v, 'poses/steps': steps };
    return Object.fromEntries(
      Object.entries(buffers).map(([name, buffer]) => [name, { buffer, bytes: buffer.size }]),
    );
  }

  /** The engine of an optimiser. Called again when its buffers are replaced. */
  async engine(gpu: Gpu, arena: Arena, rasterizer: Rasterizer, adam: SplatAdam): Promise<PoseEngine> {
    const indices = new Map(this.#views.map((view, i) => [view, i]));
    const shared = { label: 'poses', poses: this.#poses };
    const training = await PoseTraining.create(gpu, arena, rasterizer, adam, {
      ...shared,
      moments: this.#moments,
    });
    const gauge = await PoseGauge.create(gpu, arena, {
      ...shared,
      anchors: this.#anchors,
      gaussianCount: rasterizer.options.gaussianCount,
      scale: this.#extent,
    });
    return {
      prepare: (step, view) => {
        const rotation = this.#rateAt(step);
        training.setStep(indices.get(view)!, { rotation, translation: rotation * this.#extent });
      },
      recordView: (recorder) => training.recordView(recorder),
      recordUpdate: (recorder) => {
        training.record(recorder);
        gauge.record(recorder);
      },
    };
  }

  /** The poses as they are now. */
  async read(): Promise<Poses> {
    const values = await this.#gpu.readFloats(this.#poses, 'metrics', POSE_FLOATS * this.#views.length);
    return {
      views: this.#views.map(({ name }, i) => ({
        name,
        viewmat: [...values.subarray(POSE_FLOATS * i, POSE_FLOATS * i + 12), 0, 0, 0, 1],
      })),
    };
  }
}
