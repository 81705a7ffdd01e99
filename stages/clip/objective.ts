import type { Arena, Gpu, Recorder } from '../../wgsl/core/index.ts';
import { type CropAugment, cropTransforms } from '../../wgsl/image/crop-transforms.ts';
import { type Report, silent } from '../stage.ts';
import { checkCrops } from './check.ts';
import { buildEncoder, type EncoderProgram, meanDirection } from './encoder.ts';
import { type ClipModel, openClip } from './model.ts';
import type { CropOptions } from './options.ts';
import { type Prompt, resolvePrompt, warnOfPrompt } from './prompts.ts';

export interface ClipObjectiveOptions {
  /** Crops per step. */
  batch: number;
  /** Size of the picture, pixels; `setStep` can change it. */
  width: number;
  height: number;
  augment: CropAugment;
}

/**
 * −weight·mean_b cos(CLIP(crop_b(picture)), target) on the GPU, with its gradient to the picture (the paper's eq. 5, and the
 * CLIP term of eq. 3). The model
 * must outlive it.
 */
export class ClipObjective {
  readonly options: ClipObjectiveOptions;
  /** f32 [B]: cosine of each crop with the target, in [−1, 1], after `record` has run. */
  readonly cosines: GPUBuffer;
  readonly #gpu: Gpu;
  readonly #arena: Arena;
  readonly #model: ClipModel;
  readonly #encoder: EncoderProgram;
  #weight = Number.NaN;

  private constructor(
    arena: Arena,
    model: ClipModel,
    encoder: EncoderProgram,
    options: ClipObjectiveOptions,
  ) {
    this.#gpu = arena.gpu;
    this.#arena = arena;
    this.#model = model;
    this.#encoder = encoder;
    this.options = options;
    this.cosines = encoder.program.buffer(encoder.cosines);
  }

  static async create(gpu: Gpu, model: ClipModel, options: ClipObjectiveOptions): Promise<ClipObjective> {
    const arena = gpu.arena('clip/objective');
    try {
      const encoder = await buildEncoder(arena, model, options.batch, true);
      return new ClipObjective(arena, model, encoder, options);
    } catch (error) {
      arena.destroy();
      throw error;
    }
  }

  /** Sets the target to the mean direction of embeddings [T, D] of unit length. */
  setTarget(embeds: Float32Array): void {
    this.#gpu.write(this.#encoder.target, meanDirection(embeds, this.#model.dimensions), 'parameters');
  }

  /** Uploads the crops of a step. `size`: size of the step's picture, if it differs from the options. */
  setStep(
    seed: number,
    step: number,
    { width, height }: { width: number; height: number } = this.options,
  ): void {
    const { batch, augment } = this.options;
    const size = this.#model.imageSize;
    const transforms = cropTransforms({ seed, step, batch, width, height, size, augment });
    this.#encoder.sampler.set(width, height, transforms);
  }

  /**
   * Adds d(−weight·mean cosine)/d image to `gradImage`; both are f32 [H, W, 4] of the step's size. Writes the
   * cosines to `cosines`.
   */
  record(recorder: Recorder, image: GPUBuffer, gradImage: GPUBuffer, weight = 1): void {
    const { program, sampler, cosines, pixels } = this.#encoder;
    if (weight !== this.#weight) {
      const { batch } = this.options;
      const seeds = new Float32Array(batch).fill(-weight / batch);
      this.#gpu.write(program.gradient(cosines), seeds, 'parameters');
      this.#weight = weight;
    }
    sampler.record(recorder, image);
    program.recordForward(recorder);
    program.recordBackward(recorder);
    sampler.recordBackward(recorder, image, program.gradient(pixels), gradImage);
  }

  destroy(): void {
    this.#arena.destroy();
  }
}

/** The target of an optimisation: a prompt, as a model sees it in random crops of each render. */
export interface ClipTarget {
  prompt: Prompt;
  model: ClipModel;
  objective: ClipObjective;
  destroy(): void;
}

/**
 * Opens the model, embeds the prompt and compiles the program. Warns of words that the model does not know.
 * @throws InputError on a broken model or an empty prompt.
 */
export async function openClipTarget(
  gpu: Gpu,
  { prompt: nameOrText, model: directory, crops }: { prompt: string; model?: string; crops: CropOptions },
  report: Report = silent,
): Promise<ClipTarget> {
  checkCrops(crops);
  const prompt = await resolvePrompt(nameOrText);
  const model = await openClip(gpu, directory);
  await warnOfPrompt(prompt, model.directory, report);
  const owned: { destroy(): void }[] = [model];
  const destroy = () => {
    for (const part of owned.reverse()) part.destroy();
  };
  try {
    const { count, ...augment } = crops;
    const objective = await ClipObjective.create(gpu, model, { batch: count, width: 1, height: 1, augment });
    owned.push(objective);
    objective.setTarget(await model.embedTexts([prompt.text]));
    return { prompt, model, objective, destroy };
  } catch (error) {
    destroy();
    throw error;
  }
}
