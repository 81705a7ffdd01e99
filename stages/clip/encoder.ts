import type { Arena } from '../../wgsl/core/index.ts';
import { CropSampler } from '../../wgsl/image/crop.ts';
import { cosineSimilarity } from '../../wgsl/nn/cosine-similarity.ts';
import { Graph, type Tensor } from '../../wgsl/nn/graph.ts';
import { Program } from '../../wgsl/nn/program.ts';
import type { ClipModel } from './model.ts';
import { imageEncoder } from './vision.ts';

/** Crops → image encoder → cosines with one target, for a batch. Shared by objectives and scorers. */
export interface EncoderProgram {
  program: Program;
  sampler: CropSampler;
  /** f32 [B, 3, S, S]. */
  pixels: Tensor;
  /** f32 [B, D], raw. */
  embeds: Tensor;
  /** f32 [B]. */
  cosines: Tensor;
  /** f32 [D], unit length; zero until set. */
  target: GPUBuffer;
}

/** `backward`: also compiles the gradient of the cosines with respect to the pixels. `arena` owns all buffers. */
export async function buildEncoder(
  arena: Arena,
  model: ClipModel,
  batch: number,
  backward: boolean,
): Promise<EncoderProgram> {
  const { imageSize: size, dimensions, preprocessor } = model;
  const graph = new Graph();
  const pixels = graph.input('pixels', [batch, 3, size, size], backward);
  const embeds = imageEncoder(graph, arena, pixels, model.towers, await model.vision());
  const target = arena.buffer('target', 4 * dimensions);
  const cosines = cosineSimilarity(graph, 'cosine', embeds, target, true);
  const gradOutputs = backward ? [cosines] : [];
  const program = await Program.compile(arena, graph, { outputs: [embeds, cosines], gradOutputs });
  const { mean, deviation } = preprocessor;
  const sampler = await CropSampler.create(arena, { batch, size, mean, deviation }, program.buffer(pixels));
  return { program, sampler, pixels, embeds, cosines, target };
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
