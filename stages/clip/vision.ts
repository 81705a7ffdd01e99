import type { Arena } from '../../wgsl/core/index.ts';
import type { Graph, Tensor } from '../../wgsl/nn/graph.ts';
import { type LayerNormWeights, layerNorm } from '../../wgsl/nn/layer-norm.ts';
import { type LinearWeights, linear } from '../../wgsl/nn/linear.ts';
import { slice } from '../../wgsl/nn/slice.ts';
import { type ImageTokenWeights, imageTokens, patchify } from '../../wgsl/nn/tokens.ts';
import type { TokenTap } from '../../wgsl/transformer/tap.ts';
import { type AttentionHeadWeights, attentionHead, loadAttentionHead } from './attention-head.ts';
import { headNames, layerNames, VISION_NAMES, visionTensors } from './tensors.ts';
import type { Towers, VisionTower } from './towers.ts';
import { type LayerWeights, loadLayer, transformerLayer } from './transformer.ts';
import { type TensorSource, WeightLoader } from './weights.ts';

/** The image encoder on the GPU; programs of any batch size share it. Optional parts are those that the tower has. */
export interface VisionWeights {
  patch: LinearWeights;
  tokens: ImageTokenWeights;
  before?: LayerNormWeights;
  layers: LayerWeights[];
  after: LayerNormWeights;
  head?: AttentionHeadWeights;
  projection?: LinearWeights;
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
  const names = VISION_NAMES;
  const patch = await load.linear(names.patch);
  const tokens = {
    classEmbedding: vision.hasClassToken ? await load.buffer(names.classToken) : undefined,
    positionEmbedding: await load.buffer(names.positions),
  };
  const before = vision.hasPreNorm ? await load.layerNorm(names.preNorm, epsilon) : undefined;
  const layers: LayerWeights[] = [];
  for (let i = 0; i < vision.layers; i++) {
    layers.push(await loadLayer(load, layerNames('vision_model', i), vision, endsInClassToken(vision, i)));
  }
  const after = await load.layerNorm(names.postNorm, epsilon);
  const head =
    vision.pooling === 'attention' ? await loadAttentionHead(load, headNames(), vision) : undefined;
  const projection = vision.hasProjection ? await load.linear(names.projection) : undefined;
  return { patch, tokens, before, layers, after, head, projection };
}

/**
 * Pixels [B, 3, S, S], normalised as the model's preprocessor does → raw embeddings [B, D], and the tokens [count, tokens, width]
 * of the tap, if given. `arena` owns constants.
 */
export function imageEncoder(
  graph: Graph,
  arena: Arena,
  pixels: Tensor,
  { vision }: Towers,
  weights: VisionWeights,
  tap?: TokenTap,
): { embeds: Tensor; tokens?: Tensor } {
  const batch = pixels.shape[0];
  const patches = linear(graph, 'patch', patchify(graph, 'patchify', pixels, vision.patch), weights.patch);
  let x = imageTokens(graph, 'tokens', patches, batch, weights.tokens);
  if (weights.before) x = layerNorm(graph, 'before', x, weights.before);
  let tokens: Tensor | undefined;
  weights.layers.forEach((layer, i) => {
    // Zeros: the class token is the first.
    const tokenIndices = endsInClassToken(vision, i) ? arena.buffer('class', 4 * batch) : undefined;
    x = transformerLayer(graph, `layer${i}`, x, layer, vision, { tokenIndices });
    if (tap?.layer === i + 1) tokens = slice(graph, 'tap', x, tap.first, tap.count);
  });
  x = layerNorm(graph, 'after', x, weights.after);
  if (weights.head) x = attentionHead(graph, arena, 'head', x, weights.head, vision);
  const embeds = weights.projection ? linear(graph, 'projection', x, weights.projection) : x;
  return { embeds, tokens };
}

/** Whether layer i outputs the class token alone. */
function endsInClassToken({ pooling, layers }: VisionTower, i: number): boolean {
  return pooling === 'class' && i === layers - 1;
}
