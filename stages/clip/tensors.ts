import type { Tower, Towers } from './towers.ts';
import { tokenCount } from './towers.ts';

/** Shapes by canonical tensor name; linear weights are [outputs, inputs]. */
export type Shapes = ReadonlyMap<string, readonly number[]>;

/** Canonical names of the image encoder's parts outside its layers. */
export const VISION_NAMES = {
  patch: 'vision_model.embeddings.patch_embedding',
  classToken: 'vision_model.embeddings.class_embedding',
  positions: 'vision_model.embeddings.position_embedding.weight',
  // spelt like this in transformers
  preNorm: 'vision_model.pre_layrnorm',
  postNorm: 'vision_model.post_layernorm',
  probe: 'vision_model.head.probe',
  projection: 'visual_projection',
} as const;

/** Canonical names of the norms and linear layers of a pre-norm layer, without `.weight` and `.bias`. */
export interface LayerNames {
  norm1: string;
  q: string;
  k: string;
  v: string;
  out: string;
  norm2: string;
  fc1: string;
  fc2: string;
}

/** `model`: `vision_model` or `text_model`. */
export function layerNames(model: string, index: number): LayerNames {
  const layer = `${model}.encoder.layers.${index}`;
  return {
    norm1: `${layer}.layer_norm1`,
    ...blockNames(layer, 'self_attn'),
    norm2: `${layer}.layer_norm2`,
  };
}

/** The attention-pooling head as a layer: its first norm is the one after the layers. */
export function headNames(): LayerNames {
  const head = 'vision_model.head';
  return { norm1: VISION_NAMES.postNorm, ...blockNames(head, 'attention'), norm2: `${head}.layernorm` };
}

function blockNames(layer: string, attention: string): Omit<LayerNames, 'norm1' | 'norm2'> {
  return {
    q: `${layer}.${attention}.q_proj`,
    k: `${layer}.${attention}.k_proj`,
    v: `${layer}.${attention}.v_proj`,
    out: `${layer}.${attention}.out_proj`,
    fc1: `${layer}.mlp.fc1`,
    fc2: `${layer}.mlp.fc2`,
  };
}

type Shape = [name: string, shape: readonly number[]];

/**
 * The tensors of the image encoder. Canonical names are those of transformers' CLIPModel, with `vision_model.head` for
 * pooling by attention; its q, k and v are layers of their own, as in the other layers.
 */
export function visionTensors({ vision, dimensions }: Towers): Shapes {
  const { width, patch } = vision;
  const names = VISION_NAMES;
  const shapes: Shape[] = [[`${names.patch}.weight`, [width, 3, patch, patch]]];
  if (vision.hasPatchBias) shapes.push([`${names.patch}.bias`, [width]]);
  if (vision.hasClassToken) shapes.push([names.classToken, [width]]);
  shapes.push([names.positions, [tokenCount(vision), width]]);
  if (vision.hasPreNorm) shapes.push(...both(names.preNorm, [width]));
  shapes.push(...layers('vision_model', vision), ...both(names.postNorm, [width]));
  if (vision.pooling === 'attention') {
    const { norm2, ...head } = headNames();
    shapes.push([names.probe, [1, 1, width]], ...linears(head, vision), ...both(norm2, [width]));
  }
  if (vision.hasProjection) shapes.push([`${names.projection}.weight`, [dimensions, width]]);
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
  return Array.from({ length: tower.layers }, (_, i) => layerNames(model, i)).flatMap((names) => [
    ...both(names.norm1, [width]),
    ...linears(names, tower),
    ...both(names.norm2, [width]),
  ]);
}

function linears(
  { q, k, v, out, fc1, fc2 }: Omit<LayerNames, 'norm1' | 'norm2'>,
  { width, inner }: Tower,
): Shape[] {
  return [
    ...[q, k, v, out].flatMap((name) => both(name, [width, width])),
    ...both(fc1, [inner, width]),
    ...both(fc2, [width, inner]),
  ];
}

/** Weight and bias, with one bias per row of the weight. */
function both(name: string, shape: readonly number[]): Shape[] {
  return [
    [`${name}.weight`, shape],
    [`${name}.bias`, [shape[0]]],
  ];
}
