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
   * Raw embeddings [N, D] of pictures, and their cosines in [−1, 1] with the mean direction of `texts` [T, D] of unit length. Reads
   * 4·(D + 1) bytes a picture.
   * @throws InputError when a cosine is not finite.
   */
  async compare(
    pictures: readonly Picture[],
    texts: Float32Array,
  ): Promise<{ embeds: Float32Array; cosines: number[] }> {
    const { target } = this.#encoder;
    this.#gpu.write(target, meanDirection(texts, this.#model.dimensions), 'parameters');
    const rows = await this.#rows(pictures);
    const width = this.#model.dimensions;
    const embeds = new Float32Array(width * pictures.length);
    const cosines = pictures.map((_, i) => {
      const row = rows.subarray(i * (width + 1), (i + 1) * (width + 1));
      embeds.set(row.subarray(0, width), i * width);
      return row[width];
    });
    const damaged = cosines.findIndex((value) => !Number.isFinite(value));
    if (damaged >= 0) throw this.#model.notFinite(`picture ${damaged + 1}: the cosine`);
    return { embeds, cosines };
  }

  /** Raw image embeddings [N, D]. */
  async embedImages(pictures: readonly Picture[]): Promise<Float32Array> {
    const { embeds } = await this.compare(pictures, new Float32Array(this.#model.dimensions));
    return embeds;
  }

  destroy(): void {
    this.#arena.destroy();
  }

  /** Embedding and cosine of each picture, f32 [N, D + 1]. */
  async #rows(pictures: readonly Picture[]): Promise<Float32Array> {
    if (!pictures.length) return new Float32Array();
    const { embeds, cosines } = this.#encoder;
    const bytes = 4 * this.#model.dimensions;
    const results = this.#arena.buffer('results', (bytes + 4) * pictures.length);
    pictures.forEach((picture, i) => {
      this.#run(picture, (recorder) => {
        recorder.copy(embeds, results, bytes, 0, (bytes + 4) * i);
        recorder.copy(cosines, results, 4, 0, (bytes + 4) * i + bytes);
      });
    });
    const rows = await this.#gpu.readFloats(results, 'metrics', (bytes / 4 + 1) * pictures.length);
    this.#arena.release(results);
    return rows;
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
