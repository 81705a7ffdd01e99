import type { Arena, Gpu } from '../../wgsl/core/index.ts';
import {
  EXPOSURE_FLOATS,
  Exposure,
  ExposureTraining,
  NEUTRAL_EXPOSURE,
  type ViewMoments,
} from '../../wgsl/image/exposure.ts';
import type { View } from '../artefacts/dataset.ts';
import type { Exposures } from '../artefacts/exposures.ts';
import type { CheckpointTensors } from './checkpoint-tensors.ts';
import type { ObjectiveFactory } from './objectives.ts';

/**
 * The exposures of the training views: an affine transform of the colours for each, as in the program of 3DGS, and the identity at the
 * start. A step trains that of the view that it shows.
 */
export class ViewExposures {
  readonly #gpu: Gpu;
  readonly #views: readonly View[];
  readonly #exposures: GPUBuffer;
  readonly #moments: ViewMoments;

  /** The buffers belong to the arena. */
  constructor(arena: Arena, views: readonly View[]) {
    this.#gpu = arena.gpu;
    this.#views = views;
    const neutral = Float32Array.from({ length: EXPOSURE_FLOATS * views.length }, (_, i) => {
      return NEUTRAL_EXPOSURE[i % EXPOSURE_FLOATS];
    });
    this.#exposures = arena.upload('exposures', neutral, 'parameters');
    this.#moments = {
      m: arena.buffer('exposures/m', neutral.byteLength),
      v: arena.buffer('exposures/v', neutral.byteLength),
      steps: arena.buffer('exposures/steps', 4 * views.length),
    };
  }

  /** Everything that outlives a step, for a checkpoint. */
  get tensors(): CheckpointTensors {
    const buffers = { exposures: this.#exposures, ...prefixed('exposures', this.#moments) };
    return Object.fromEntries(
      Object.entries(buffers).map(([name, buffer]) => [name, { buffer, bytes: buffer.size }]),
    );
  }

  /**
   * An objective that sees the picture through the exposure of its view, and trains that exposure. `inner` overwrites its gradient.
   * `gaussianCount` is 0 in a void step.
   */
  objective(
    inner: ObjectiveFactory,
    { gaussianCount, rateAt }: { gaussianCount: GPUBuffer; rateAt(step: number): number },
  ): ObjectiveFactory {
    const indices = new Map(this.#views.map((view, i) => [view, i]));
    return async (gpu, arena, picture) => {
      const pixels = picture.width * picture.height;
      const exposed = arena.buffer('exposure/picture', 16 * pixels);
      const exposures = this.#exposures;
      const options = { label: 'exposure', pixels, exposures, color: picture.color, exposed };
      const exposure = await Exposure.create(gpu, arena, options);
      const training = await ExposureTraining.create(gpu, arena, exposure, {
        gradient: picture.gradient,
        moments: this.#moments,
        gaussianCount,
      });
      const objective = await inner(gpu, arena, { ...picture, color: exposed });
      if (!objective.overwrites) throw new Error('an exposed objective overwrites its gradient');
      return {
        overwrites: true,
        prepare(step, view, background) {
          const { width, height } = view.camera;
          exposure.setView(indices.get(view)!, width * height, rateAt(step));
          objective.prepare(step, view, background);
        },
        record(recorder, view) {
          exposure.record(recorder);
          objective.record(recorder, view);
          training.record(recorder);
        },
        metrics: objective.metrics,
      };
    };
  }

  /** The exposures as they are now. */
  async read(): Promise<Exposures> {
    const values = await this.#gpu.readFloats(
      this.#exposures,
      'metrics',
      EXPOSURE_FLOATS * this.#views.length,
    );
    return {
      views: this.#views.map(({ name }, i) => ({
        name,
        matrix: [...values.subarray(EXPOSURE_FLOATS * i, EXPOSURE_FLOATS * (i + 1))],
      })),
    };
  }
}

function prefixed(prefix: string, moments: ViewMoments): Record<string, GPUBuffer> {
  return Object.fromEntries(Object.entries(moments).map(([name, buffer]) => [`${prefix}/${name}`, buffer]));
}
