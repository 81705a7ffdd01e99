import type { Arena } from '../../wgsl/core/index.ts';
import type { Graph, Tensor } from '../../wgsl/nn/graph.ts';
import { type LayerNormWeights, layerNorm } from '../../wgsl/nn/layer-norm.ts';
import { type LinearWeights, linear } from '../../wgsl/nn/linear.ts';
import { type ImageTokenWeights, imageTokens, patchify } from '../../wgsl/nn/tokens.ts';
import type { ClipConfig } from './config.ts';
import type { SafetensorsFile } from './safetensors.ts';
import { visionTensors } from './tensors.ts';
import {
  type LayerShape,
  type LayerWeights,
  layerShape,
  loadLayer,
  transformerLayer,
} from './transformer.ts';
import { WeightLoader } from './weights.ts';

/** The image encoder on the GPU; programs of any batch size share it. */
export interface VisionWeights {
  shape: LayerShape;
  patch: LinearWeights;
  tokens: ImageTokenWeights;
  before: LayerNormWeights;
  layers: LayerWeights[];
  after: LayerNormWeights;
  projection: LinearWeights;
}

/** @throws InputError with the file and the tensor that is missing or invalid. */
export function loadVision(arena: Arena, config: ClipConfig, file: SafetensorsFile): VisionWeights {
  const load = new WeightLoader(arena, file, visionTensors(config));
  const { vision_config: vision } = config;
  const shape = layerShape(vision);
  const { epsilon } = shape;
  const embeddings = 'vision_model.embeddings';
  const last = vision.num_hidden_layers - 1;
  return {
    shape,
    patch: load.linear(`${embeddings}.patch_embedding`),
    tokens: {
      classEmbedding: load.buffer(`${embeddings}.class_embedding`),
      positionEmbedding: load.buffer(`${embeddings}.position_embedding.weight`),
    },
    // transformers spells it like this.
    before: load.layerNorm('vision_model.pre_layrnorm', epsilon),
    layers: Array.from({ length: last + 1 }, (_, i) =>
      loadLayer(load, `vision_model.encoder.layers.${i}`, shape, i === last),
    ),
    after: load.layerNorm('vision_model.post_layernorm', epsilon),
    projection: load.linear('visual_projection'),
  };
}

/**
 * pixels [B, 3, S, S], normalised as the model's preprocessor does → raw embeddings [B, D] (Radford et al. 2021, ViT).
 * `tokenIndices` is u32 [B] of zeros: the class token is the first.
 */
export function imageEncoder(
  graph: Graph,
  pixels: Tensor,
  weights: VisionWeights,
  patch: number,
  tokenIndices: GPUBuffer,
): Tensor {
  const batch = pixels.shape[0];
  const patches = linear(graph, 'patch', patchify(graph, 'patchify', pixels, patch), weights.patch);
  let x = layerNorm(
    graph,
    'before',
    imageTokens(graph, 'tokens', patches, batch, weights.tokens),
    weights.before,
  );
  weights.layers.forEach((layer, i) => {
    const last = i === weights.layers.length - 1;
    const options = { tokenIndices: last ? tokenIndices : undefined };
    x = transformerLayer(graph, `layer${i}`, x, layer, weights.shape, options);
  });
  return linear(graph, 'projection', layerNorm(graph, 'after', x, weights.after), weights.projection);
}
