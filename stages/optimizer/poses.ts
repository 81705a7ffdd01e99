import type { Arena, Gpu, Recorder } from '../../wgsl/core/index.ts';
import type { Rasterizer } from '../../wgsl/splat/rasterizer.ts';
import { POSE_FLOATS, PoseTraining, poseOf, TWIST_FLOATS } from '../../wgsl/splat/update/pose-training.ts';
import type { SplatAdam } from '../../wgsl/splat/update/splat-adam.ts';
import type { View } from '../artefacts/dataset.ts';
import type { Poses } from '../artefacts/poses.ts';
import type { CheckpointTensors } from './checkpoint-tensors.ts';

/** Adam's rates of a pose: of the rotation in radians, of the translation in world units. */
export interface PoseRates {
  rotation: number;
  translation: number;
}

/** The kernels of a step on the poses, bound to an optimiser's buffers. */
export interface PoseEngine {
  prepare(step: number, view: View): void;
  /** Before the forward pass. */
  recordView(recorder: Recorder): void;
  /** Between the gradients and the update of the Gaussians. */
  recordUpdate(recorder: Recorder): void;
}

/** The poses of the training views: those of the dataset at the start. A step trains that of the view that it shows. */
export class ViewPoses {
  readonly #gpu: Gpu;
  readonly #views: readonly View[];
  readonly #poses: GPUBuffer;
  readonly #moments: { m: GPUBuffer; v: GPUBuffer; steps: GPUBuffer };
  readonly #rateAt: (step: number) => PoseRates;

  /** The buffers belong to the arena. */
  constructor(arena: Arena, views: readonly View[], rateAt: (step: number) => PoseRates) {
    this.#gpu = arena.gpu;
    this.#views = views;
    this.#rateAt = rateAt;
    const start = new Float32Array(POSE_FLOATS * views.length);
    for (const [i, { camera }] of views.entries()) start.set(poseOf(camera), POSE_FLOATS * i);
    this.#poses = arena.upload('poses', start, 'parameters');
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
    const training = await PoseTraining.create(gpu, arena, rasterizer, adam, {
      label: 'poses',
      poses: this.#poses,
      moments: this.#moments,
    });
    return {
      prepare: (step, view) => training.setStep(indices.get(view)!, this.#rateAt(step)),
      recordView: (recorder) => training.recordView(recorder),
      recordUpdate: (recorder) => training.record(recorder),
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
