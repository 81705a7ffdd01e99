import type { Arena, KernelTarget, Recorder } from '../../wgsl/core/index.ts';
import { CropSampler } from '../../wgsl/image/crop.ts';
import {
  COSINE_SIMILARITY,
  COSINE_SIMILARITY_BACKWARD,
  cosineSimilarity,
} from '../../wgsl/nn/cosine-similarity.ts';
import { dispatchRows } from '../../wgsl/nn/dispatch.ts';
import { Graph } from '../../wgsl/nn/graph.ts';
import { Program } from '../../wgsl/nn/program.ts';
import { requireBatch, TensorEncoder } from '../../wgsl/transformer/encoder.ts';
import type { ClipModel } from './model.ts';
import { tokenCount } from './towers.ts';
import { imageEncoder } from './vision.ts';

/** Image encoder → cosines with targets, for a batch of pictures. */
export interface Encoder {
  /** f32 [B, 3, S, S], normalised as the model's preprocessor does. */
  pixels: GPUBuffer;
  /** f32 [B, D], raw. */
  embeds: GPUBuffer;
  /** f32 [B]. */
  cosines: GPUBuffer;
  recordForward(recorder: Recorder): void;
  backward?: EncoderBackward;
}

/** The gradient of an encoder's cosines with respect to its pixels. */
export interface EncoderBackward {
  /** dL/dcosines, f32 [B], which the caller writes. */
  gradCosines: GPUBuffer;
  /** dL/dpixels, f32 [B, 3, S, S]. */
  gradPixels: GPUBuffer;
  record(recorder: Recorder): void;
}

/** The parts of a `ClipModel` that an encoder takes. */
export type EncoderModel = Pick<ClipModel, 'precision' | 'towers' | 'vision' | 'packedVision'>;

export interface EncoderOptions {
  batch: number;
  /** Unit vectors f32 [B, D]; or [D], one for all pictures, with `isShared`. */
  targets: GPUBuffer;
  isShared: boolean;
  /** Compiles the gradient too. */
  hasBackward: boolean;
  /** The variants of kernels that run; those of `Gpu.target` unless given. */
  target?: KernelTarget;
}

/**
 * Compiles the image encoder in the model's precision. `arena` owns all buffers.
 * @throws GpuError, before any work, when f16 cannot take the batch.
 */
export function buildEncoder(arena: Arena, model: EncoderModel, options: EncoderOptions): Promise<Encoder> {
  return (model.precision === 'f16' ? buildHalf : buildSingle)(arena, model, options);
}

async function buildSingle(
  arena: Arena,
  model: EncoderModel,
  { batch, targets, isShared, hasBackward, target }: EncoderOptions,
): Promise<Encoder> {
  const { towers } = model;
  const { imageSize: size } = towers.vision;
  const graph = new Graph();
  const pixels = graph.input('pixels', [batch, 3, size, size], hasBackward);
  const embeds = imageEncoder(graph, arena, pixels, towers, await model.vision());
  const cosines = cosineSimilarity(graph, 'cosine', embeds, targets, isShared);
  const gradOutputs = hasBackward ? [cosines] : [];
  const program = await Program.compile(arena, graph, { outputs: [embeds, cosines], gradOutputs, target });
  return {
    pixels: program.buffer(pixels),
    embeds: program.buffer(embeds),
    cosines: program.buffer(cosines),
    recordForward: (recorder) => program.recordForward(recorder),
    backward: hasBackward
      ? {
          gradCosines: program.gradient(cosines),
          gradPixels: program.gradient(pixels),
          record: (recorder) => program.recordBackward(recorder),
        }
      : undefined,
  };
}

/** On tensor cores; the cosines are f32. */
async function buildHalf(
  arena: Arena,
  model: EncoderModel,
  { batch, targets, isShared, hasBackward, target = arena.gpu.target }: EncoderOptions,
): Promise<Encoder> {
  requireBatch(batch, tokenCount(model.towers.vision));
  const encoder = await TensorEncoder.create(arena, await model.packedVision(), batch, hasBackward);
  const cosines = arena.buffer('cosines', 4 * batch);
  const gradCosines = arena.buffer('gradCosines', 4 * batch);
  const width = model.towers.dimensions;
  const sizes = { rows: batch, width, targetStride: isShared ? 0 : width };
  const forward = await dispatchRows({ arena, target }, COSINE_SIMILARITY, {
    sizes,
    bindings: { x: encoder.embeds, targets, cosines },
  });
  const backward = await dispatchRows({ arena, target }, COSINE_SIMILARITY_BACKWARD, {
    sizes: { ...sizes, accumulates: 0 },
    bindings: { x: encoder.embeds, targets, gradCosines, gradX: encoder.gradEmbeds },
  });
  return {
    pixels: encoder.pixels,
    embeds: encoder.embeds,
    cosines,
    recordForward(recorder) {
      encoder.recordForward(recorder);
      recorder.run(forward.bound, forward.groups);
    },
    backward: hasBackward
      ? {
          gradCosines,
          gradPixels: encoder.gradPixels,
          record(recorder) {
            recorder.run(backward.bound, backward.groups);
            encoder.recordBackward(recorder);
          },
        }
      : undefined,
  };
}

/** Crops → encoder → cosines with one target. Shared by objectives and scorers. */
export interface CropEncoder extends Encoder {
  sampler: CropSampler;
  /** f32 [D], unit length; zero until set. */
  target: GPUBuffer;
}

/** `hasBackward`: also compiles the gradient of the cosines with respect to the picture. `arena` owns all buffers. */
export async function buildCropEncoder(
  arena: Arena,
  model: ClipModel,
  batch: number,
  hasBackward: boolean,
): Promise<CropEncoder> {
  const { mean, deviation } = model.preprocessor;
  const target = arena.buffer('target', 4 * model.dimensions);
  const encoder = await buildEncoder(arena, model, { batch, targets: target, isShared: true, hasBackward });
  const shape = { batch, size: model.imageSize, mean, deviation };
  return { ...encoder, target, sampler: await CropSampler.create(arena, shape, encoder.pixels) };
}

/** The direction, of unit length, of the mean of unit embeddings [T, D]. */
export function meanDirection(embeds: Float32Array, dimensions: number): Float32Array {
  if (!embeds.length || embeds.length % dimensions) {
    throw new Error(`embeddings of ${dimensions} numbers are expected, got ${embeds.length} numbers`);
  }
  const sum = new Float64Array(dimensions);
  embeds.forEach((value, i) => {
    sum[i % dimensions] += value;
  });
  const length = Math.hypot(...sum) || 1;
  return Float32Array.from(sum, (value) => value / length);
}
