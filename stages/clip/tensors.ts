import type { Tower, Towers } from './towers.ts';
import { tokenCount } from './towers.ts';

/** Shapes by canonical tensor name; linear weights are [outputs, inputs]. */
export type Shapes = ReadonlyMap<string, readonly number[]>;

type Shape = [name: string, shape: readonly number[]];

/**
 * The tensors of the image encoder. Canonical names are those of transformers' CLIPModel, with `vision_model.head` for
 * pooling by attention; its q, k and v are layers of their own, as in the other layers.
 */
export function visionTensors({ vision, dimensions }: Towers): Shapes {
  const { width, patch } = vision;
  const embeddings = 'vision_model.embeddings';
  const patchEmbedding = `${embeddings}.patch_embedding`;
  const shapes: Shape[] = [[`${patchEmbedding}.weight`, [width, 3, patch, patch]]];
  if (vision.hasPatchBias) shapes.push([`${patchEmbedding}.bias`, [width]]);
  if (vision.hasClassToken) shapes.push([`${embeddings}.class_embedding`, [width]]);
  shapes.push([`${embeddings}.position_embedding.weight`, [tokenCount(vision), width]]);
  // spelt like this in transformers
  if (vision.hasPreNorm) shapes.push(...both('vision_model.pre_layrnorm', [width]));
  shapes.push(...layers('vision_model', vision), ...both('vision_model.post_layernorm', [width]));
  if (vision.pooling === 'attention') shapes.push(...attentionHead('vision_model.head', vision));
  if (vision.hasProjection) shapes.push(['visual_projection.weight', [dimensions, width]]);
  return new Map(shapes);
}

/** The tensors of a text encoder that is not an ONNX graph. */
export function textTensors({ text, dimensions }: Towers): Shapes {
  const { width } = text;
  const embeddings = 'text_model.embeddings';
  const shapes: Shape[] = [
    [`${embeddings}.token_embedding.weight`, [text.vocabulary, width]],
    [`${embeddings}.position_embedding.weight`, [text.length, width]],
    ...layers('text_model', text),
    ...both('text_model.final_layer_norm', [width]),
    ['text_projection.weight', [dimensions, width]],
  ];
  if (text.hasProjectionBias) shapes.push(['text_projection.bias', [dimensions]]);
  return new Map(shapes);
}

function layers(model: string, tower: Tower): Shape[] {
  const { width } = tower;
  return Array.from({ length: tower.layers }, (_, i) => `${model}.encoder.layers.${i}`).flatMap((layer) => [
    ...both(`${layer}.layer_norm1`, [width]),
    ...projections(`${layer}.self_attn`, width),
    ...both(`${layer}.layer_norm2`, [width]),
    ...mlp(`${layer}.mlp`, tower),
  ]);
}

function attentionHead(head: string, tower: Tower): Shape[] {
  const { width } = tower;
  return [
    [`${head}.probe`, [1, 1, width]],
    ...projections(`${head}.attention`, width),
    ...both(`${head}.layernorm`, [width]),
    ...mlp(`${head}.mlp`, tower),
  ];
}

function projections(attention: string, width: number): Shape[] {
  return ['q_proj', 'k_proj', 'v_proj', 'out_proj'].flatMap((role) =>
    both(`${attention}.${role}`, [width, width]),
  );
}

function mlp(name: string, { width, inner }: Tower): Shape[] {
  return [...both(`${name}.fc1`, [inner, width]), ...both(`${name}.fc2`, [width, inner])];
}

/** Weight and bias, with one bias per row of the weight. */
function both(name: string, shape: readonly number[]): Shape[] {
  return [
    [`${name}.weight`, shape],
    [`${name}.bias`, [shape[0]]],
  ];
}
