import type { Arena, KernelTarget, Recorder } from '../../wgsl/core/index.ts';
import { CropSampler } from '../../wgsl/image/crop.ts';
import { dispatchCosines, dispatchCosinesBackward } from '../../wgsl/nn/cosine-similarity.ts';
import { Graph } from '../../wgsl/nn/graph.ts';
import { Program } from '../../wgsl/nn/program.ts';
import { requireBatch, TensorEncoder } from '../../wgsl/transformer/encoder.ts';
import type { TokenTap } from '../../wgsl/transformer/tap.ts';
import type { ClipModel } from './model.ts';
import { tokenCount } from './towers.ts';
import { imageEncoder } from './vision.ts';

/** The image encoder for a batch of pictures. */
export interface Encoder {
  /** f32 [B, 3, S, S], normalised as the model's preprocessor does. */
  pixels: GPUBuffer;
  /** f32 [B, D], raw. */
  embeds: GPUBuffer;
  /** f32 [count, tokens, width] of the tap. */
  tokens?: GPUBuffer;
  recordForward(recorder: Recorder): void;
  backward?: EncoderBackward;
}

/** The gradient of an encoder's embeddings with respect to its pixels. */
export interface EncoderBackward {
  /** dL/dembeds, f32 [B, D], which the caller writes. */
  gradEmbeds: GPUBuffer;
  /** dL/dtokens, f32 [count, tokens, width], which the caller writes. */
  gradTokens?: GPUBuffer;
  /** dL/dpixels, f32 [B, 3, S, S]. */
  gradPixels: GPUBuffer;
  record(recorder: Recorder): void;
}

/** The parts of a `ClipModel` that an encoder takes. */
export type EncoderModel = Pick<ClipModel, 'precision' | 'towers' | 'vision' | 'packedVision'>;

export interface EncoderOptions {
  batch: number;
  /** Compiles the gradient too. */
  hasBackward: boolean;
  tap?: TokenTap;
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
  { batch, hasBackward, tap, target }: EncoderOptions,
): Promise<Encoder> {
  const { towers } = model;
  const { imageSize: size } = towers.vision;
  const graph = new Graph();
  const pixels = graph.input('pixels', [batch, 3, size, size], hasBackward);
  const { embeds, tokens } = imageEncoder(graph, arena, pixels, towers, await model.vision(), tap);
  const outputs = tokens ? [embeds, tokens] : [embeds];
  const gradOutputs = hasBackward ? outputs : [];
  const program = await Program.compile(arena, graph, { outputs, gradOutputs, target });
  return {
    pixels: program.buffer(pixels),
    embeds: program.buffer(embeds),
    tokens: tokens && program.buffer(tokens),
    recordForward: (recorder) => program.recordForward(recorder),
    backward: hasBackward
      ? {
          gradEmbeds: program.gradient(embeds),
          gradTokens: tokens && program.gradient(tokens),
          gradPixels: program.gradient(pixels),
          record: (recorder) => program.recordBackward(recorder),
        }
      : undefined,
  };
}

/** On tensor cores; the embeddings are f32. */
async function buildHalf(
  arena: Arena,
  model: EncoderModel,
  { batch, hasBackward, tap }: EncoderOptions,
): Promise<Encoder> {
  requireBatch(batch, tokenCount(model.towers.vision));
  const encoder = await TensorEncoder.create(arena, await model.packedVision(), batch, hasBackward, tap);
  const { pixels, embeds, tokens, gradEmbeds, gradTokens, gradPixels } = encoder;
  return {
    pixels,
    embeds,
    tokens,
    recordForward: (recorder) => encoder.recordForward(recorder),
    backward: hasBackward
      ? { gradEmbeds, gradTokens, gradPixels, record: (recorder) => encoder.recordBackward(recorder) }
      : undefined,
  };
}

/** Image encoder → cosines with targets. */
export interface CosineEncoder extends Encoder {
  /** f32 [B]. */
  cosines: GPUBuffer;
  backward?: EncoderBackward & {
    /** dL/dcosines, f32 [B], which the caller writes instead of `gradEmbeds`. */
    gradCosines: GPUBuffer;
  };
}

/** `targets`: unit vectors f32 [B, D]; or [D], one for all pictures, with `isShared`. */
export async function buildCosineEncoder(
  arena: Arena,
  model: EncoderModel,
  options: EncoderOptions & { targets: GPUBuffer; isShared: boolean },
): Promise<CosineEncoder> {
  const { batch, targets, isShared, target = arena.gpu.target } = options;
  const encoder = await buildEncoder(arena, model, options);
  const { embeds, backward } = encoder;
  const cosines = arena.buffer('cosines', 4 * batch);
  const shape = { rows: batch, width: model.towers.dimensions, isShared };
  const context = { arena, target };
  const forward = await dispatchCosines(context, shape, { x: embeds, targets, cosines });
  const recordForward = (recorder: Recorder) => {
    encoder.recordForward(recorder);
    recorder.run(forward.bound, forward.groups);
  };
  if (!backward) return { ...encoder, backward: undefined, cosines, recordForward };
  const gradCosines = arena.buffer('gradCosines', 4 * batch);
  const bindings = { x: embeds, targets, gradCosines, gradX: backward.gradEmbeds };
  const gradient = await dispatchCosinesBackward(context, shape, bindings, false);
  return {
    ...encoder,
    cosines,
    recordForward,
    backward: {
      ...backward,
      gradCosines,
      record(recorder) {
        recorder.run(gradient.bound, gradient.groups);
        backward.record(recorder);
      },
    },
  };
}

/** Crops → encoder → cosines with one target. Shared by objectives and scorers. */
export interface CropEncoder extends CosineEncoder {
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
  const options = { batch, targets: target, isShared: true, hasBackward };
  const encoder = await buildCosineEncoder(arena, model, options);
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
