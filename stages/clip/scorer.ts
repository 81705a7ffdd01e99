import type { Arena, Gpu, Recorder } from '../../wgsl/core/index.ts';
import { centerTransform } from '../../wgsl/image/crop-transforms.ts';
import { buildCropEncoder, type CropEncoder, meanDirection } from './encoder.ts';
import type { ClipModel } from './model.ts';

/** A render to score: f32 [H, W, 4] on the GPU. */
export interface Picture {
  color: GPUBuffer;
  width: number;
  height: number;
}

/**
 * Compares whole pictures with a text: the centre of each, resized as the model's preprocessor specifies (with an antialiased
 * triangle filter, where most preprocessors are bicubic). Deterministic.
 */
export class ClipScorer {
  readonly #gpu: Gpu;
  readonly #arena: Arena;
  readonly #model: ClipModel;
  readonly #encoder: CropEncoder;

  private constructor(arena: Arena, model: ClipModel, encoder: CropEncoder) {
    this.#gpu = arena.gpu;
    this.#arena = arena;
    this.#model = model;
    this.#encoder = encoder;
  }

  static async create(gpu: Gpu, model: ClipModel): Promise<ClipScorer> {
    const arena = gpu.arena('clip/scorer');
    try {
      return new ClipScorer(arena, model, await buildCropEncoder(arena, model, 1, false));
    } catch (error) {
      arena.destroy();
      throw error;
    }
  }

  /**
   * Cosines in [−1, 1] of each picture with the mean direction of `texts` [T, D] of unit length. Reads 4 bytes a picture.
   * @throws InputError when one is not finite.
   */
  async cosines(pictures: readonly Picture[], texts: Float32Array): Promise<number[]> {
    if (!pictures.length) return [];
    const { cosines, target } = this.#encoder;
    this.#gpu.write(target, meanDirection(texts, this.#model.dimensions), 'parameters');
    const results = this.#arena.buffer('cosines', 4 * pictures.length);
    pictures.forEach((picture, i) => {
      this.#run(picture, (recorder) => recorder.copy(cosines, results, 4, 0, 4 * i));
    });
    const values = await this.#gpu.readFloats(results, 'metrics', pictures.length);
    this.#arena.release(results);
    const damaged = values.findIndex((value) => !Number.isFinite(value));
    if (damaged >= 0) throw this.#model.notFinite(`picture ${damaged + 1}: the cosine`);
    return [...values];
  }

  /** Raw image embeddings [N, D]. */
  async embedImages(pictures: readonly Picture[]): Promise<Float32Array> {
    const bytes = 4 * this.#model.dimensions;
    const { embeds } = this.#encoder;
    const results = this.#arena.buffer('embeds', bytes * pictures.length);
    pictures.forEach((picture, i) => {
      this.#run(picture, (recorder) => recorder.copy(embeds, results, bytes, 0, bytes * i));
    });
    const values = await this.#gpu.readFloats(results, 'metrics', pictures.length * this.#model.dimensions);
    this.#arena.release(results);
    return values;
  }

  destroy(): void {
    this.#arena.destroy();
  }

  #run({ color, width, height }: Picture, keep: (recorder: Recorder) => void): void {
    const { sampler } = this.#encoder;
    const { preprocessor, imageSize } = this.#model;
    sampler.set(width, height, [centerTransform(width, height, preprocessor.fit, imageSize)]);
    this.#gpu.run('clip/score', (recorder) => {
      sampler.record(recorder, color);
      this.#encoder.recordForward(recorder);
      keep(recorder);
    });
  }
}
