import type { Arena, Gpu, Recorder } from '../../wgsl/core/index.ts';
import { type CropAugment, cropTransforms } from '../../wgsl/image/crop-transforms.ts';
import { buildCropEncoder, type CropEncoder, meanDirection } from './encoder.ts';
import type { ClipModel } from './model.ts';

/** Options of `ClipObjective.create`. */
export interface ClipObjectiveOptions {
  /** Crops per step. */
  batch: number;
  /** Size of the picture, pixels; `setStep` can change it. */
  width: number;
  height: number;
  /** Range of the crops' sides, rotations and mirroring. */
  augment: CropAugment;
}

/**
 * The loss −weight·mean_b cos(CLIP(crop_b(picture)), target) on the GPU, with its gradient with respect to the picture:
 * eq. 5 of Kompella et al. and the CLIP term of their eq. 3. The picture is f32 [H, W, 4], rgb in [0, 1] and alpha,
 * which is ignored. Destroy the objective before its model.
 */
export class ClipObjective {
  readonly options: ClipObjectiveOptions;
  /** f32 [B]: cosine of each crop with the target, in [−1, 1], after `record` has run. */
  readonly cosines: GPUBuffer;
  /** u32 [1]: the first step, from 1, whose gradient was not finite; 0 if there was none. `check` takes it. */
  readonly nonFiniteStep: GPUBuffer;
  readonly #gpu: Gpu;
  readonly #arena: Arena;
  readonly #model: ClipModel;
  readonly #encoder: CropEncoder;
  #weight = Number.NaN;

  private constructor(arena: Arena, model: ClipModel, encoder: CropEncoder, options: ClipObjectiveOptions) {
    this.#gpu = arena.gpu;
    this.#arena = arena;
    this.#model = model;
    this.#encoder = encoder;
    this.options = options;
    this.cosines = encoder.cosines;
    this.nonFiniteStep = encoder.sampler.nonFiniteStep;
  }

  /**
   * Compiles the image encoder and its backward pass for a batch of crops. The objective owns its buffers.
   * @throws InputError when a weight of the model is missing or invalid.
   */
  static async create(gpu: Gpu, model: ClipModel, options: ClipObjectiveOptions): Promise<ClipObjective> {
    const arena = gpu.arena('clip/objective');
    try {
      const encoder = await buildCropEncoder(arena, model, options.batch, true);
      return new ClipObjective(arena, model, encoder, options);
    } catch (error) {
      arena.destroy();
      throw error;
    }
  }

  /** Sets the target to the mean direction of embeddings f32 [T, D] of unit length, from `ClipModel.embedTexts`. */
  setTarget(embeds: Float32Array): void {
    this.#gpu.write(this.#encoder.target, meanDirection(embeds, this.#model.dimensions), 'parameters');
  }

  /**
   * Uploads the crops of the next submitted step, which follow from seed and step (from 0) alone. `size`: of the step's picture, pixels, if it
   * differs from the options.
   */
  setStep(
    seed: number,
    step: number,
    { width, height }: { width: number; height: number } = this.options,
  ): void {
    const { batch, augment } = this.options;
    const size = this.#model.imageSize;
    const transforms = cropTransforms({ seed, step, batch, width, height, size, augment });
    this.#encoder.sampler.set(width, height, transforms, step + 1);
  }

  /**
   * Records forward and backward pass. Adds d(−weight·mean cosine)/d image to `gradImage`; both are f32 [H, W, 4] of the
   * step's size. Overwrites `cosines`. A new weight is written at once.
   */
  record(recorder: Recorder, image: GPUBuffer, gradImage: GPUBuffer, weight = 1): void {
    const { sampler } = this.#encoder;
    const backward = this.#encoder.backward!;
    if (weight !== this.#weight) {
      const { batch } = this.options;
      const gradCosines = new Float32Array(batch).fill(-weight / batch);
      this.#gpu.write(backward.gradCosines, gradCosines, 'parameters');
      this.#weight = weight;
    }
    sampler.record(recorder, image);
    this.#encoder.recordForward(recorder);
    backward.record(recorder);
    sampler.recordBackward(recorder, image, backward.gradPixels, gradImage);
  }

  /**
   * Checks a value of `nonFiniteStep`.
   * @throws InputError when the gradient of a step was not finite.
   */
  check(nonFiniteStep: number): void {
    if (!nonFiniteStep) return;
    throw this.#model.notFinite(`step ${nonFiniteStep}: the gradient`);
  }

  /** Frees the buffers of the objective, not those of its model. */
  destroy(): void {
    this.#arena.destroy();
  }
}
