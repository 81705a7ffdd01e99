import type { Arena } from '../../wgsl/core/index.ts';
import type { Graph, Tensor } from '../../wgsl/nn/graph.ts';
import { type LayerNormWeights, layerNorm } from '../../wgsl/nn/layer-norm.ts';
import { type LinearWeights, linear } from '../../wgsl/nn/linear.ts';
import { type ImageTokenWeights, imageTokens, patchify } from '../../wgsl/nn/tokens.ts';
import { visionTensors } from './tensors.ts';
import type { Towers } from './towers.ts';
import { type LayerWeights, loadLayer, transformerLayer } from './transformer.ts';
import { type TensorSource, WeightLoader } from './weights.ts';

/** The image encoder on the GPU; programs of any batch size share it. */
export interface VisionWeights {
  patch: LinearWeights;
  tokens: ImageTokenWeights;
  before: LayerNormWeights;
  layers: LayerWeights[];
  after: LayerNormWeights;
  projection: LinearWeights;
}

/** @throws InputError with the file and the tensor that is missing or invalid. */
export async function loadVision(
  arena: Arena,
  towers: Towers,
  weights: TensorSource,
): Promise<VisionWeights> {
  const load = new WeightLoader(arena, weights, visionTensors(towers));
  const { vision } = towers;
  const { epsilon } = vision;
  const embeddings = 'vision_model.embeddings';
  const patch = await load.linear(`${embeddings}.patch_embedding`);
  const tokens = {
    classEmbedding: await load.buffer(`${embeddings}.class_embedding`),
    positionEmbedding: await load.buffer(`${embeddings}.position_embedding.weight`),
  };
  // transformers spells it like this.
  const before = await load.layerNorm('vision_model.pre_layrnorm', epsilon);
  const layers: LayerWeights[] = [];
  for (let i = 0; i < vision.layers; i++) {
    const isLast = i === vision.layers - 1;
    layers.push(await loadLayer(load, `vision_model.encoder.layers.${i}`, vision, isLast));
  }
  const after = await load.layerNorm('vision_model.post_layernorm', epsilon);
  return { patch, tokens, before, layers, after, projection: await load.linear('visual_projection') };
}

/**
 * pixels [B, 3, S, S], normalised as the model's preprocessor does → raw embeddings [B, D] (Radford et al. 2021, ViT).
 * `tokenIndices` is u32 [B] of zeros: the class token is the first.
 */
export function imageEncoder(
  graph: Graph,
  pixels: Tensor,
  { vision }: Towers,
  weights: VisionWeights,
  tokenIndices: GPUBuffer,
): Tensor {
  const batch = pixels.shape[0];
  const patches = linear(graph, 'patch', patchify(graph, 'patchify', pixels, vision.patch), weights.patch);
  let x = layerNorm(
    graph,
    'before',
    imageTokens(graph, 'tokens', patches, batch, weights.tokens),
    weights.before,
  );
  weights.layers.forEach((layer, i) => {
    const last = i === weights.layers.length - 1;
    const options = { tokenIndices: last ? tokenIndices : undefined };
    x = transformerLayer(graph, `layer${i}`, x, layer, vision, options);
  });
  return linear(graph, 'projection', layerNorm(graph, 'after', x, weights.after), weights.projection);
}
