import { InputError } from '../../wgsl/core/index.ts';
import type { ClipConfig, TextConfig, VisionConfig } from './config.ts';
import type { Dtype } from './safetensors-header.ts';

/** Shapes by tensor name, as transformers' CLIPModel saves them; linear weights are [outputs, inputs]. */
export type Shapes = ReadonlyMap<string, readonly number[]>;

type Shape = [name: string, shape: readonly number[]];

/** @throws InputError when a tensor of the file `path` is missing, has another shape, or contains integers. */
export function checkTensor(
  path: string,
  name: string,
  shape: readonly number[],
  found: { dtype: Dtype; shape: readonly number[] } | undefined,
): void {
  const fail = (text: string) => new InputError(`tensor ${JSON.stringify(name)} ${text}`, path);
  if (!found) throw fail('is missing; a CLIPModel with this config.json needs it');
  if (found.shape.join() !== shape.join()) throw fail(`is [${found.shape}]; config.json requires [${shape}]`);
  if (found.dtype.startsWith('I')) throw fail(`has dtype ${found.dtype}; expected floats`);
}

/** The tensors of the image encoder. */
export function visionTensors({ vision_config: vision, projection_dim: dimensions }: ClipConfig): Shapes {
  const { hidden_size: width, patch_size: patch, image_size: side } = vision;
  const patches = Math.floor(side / patch) ** 2;
  const embeddings = 'vision_model.embeddings';
  return new Map<string, readonly number[]>([
    [`${embeddings}.class_embedding`, [width]],
    [`${embeddings}.patch_embedding.weight`, [width, vision.num_channels, patch, patch]],
    [`${embeddings}.position_embedding.weight`, [1 + patches, width]],
    // spelt like this in transformers
    ...both('vision_model.pre_layrnorm', [width]),
    ...layers('vision_model', vision),
    ...both('vision_model.post_layernorm', [width]),
    ['visual_projection.weight', [dimensions, width]],
  ]);
}

/** The tensors of a text encoder that is not an ONNX graph. */
export function textTensors({ text_config: text, projection_dim: dimensions }: ClipConfig): Shapes {
  const { hidden_size: width } = text;
  const embeddings = 'text_model.embeddings';
  return new Map<string, readonly number[]>([
    [`${embeddings}.token_embedding.weight`, [text.vocab_size, width]],
    [`${embeddings}.position_embedding.weight`, [text.max_position_embeddings, width]],
    ...layers('text_model', text),
    ...both('text_model.final_layer_norm', [width]),
    ['text_projection.weight', [dimensions, width]],
  ]);
}

function layers(tower: string, config: TextConfig | VisionConfig): Shape[] {
  const { num_hidden_layers: count, hidden_size: width, intermediate_size: inner } = config;
  return Array.from({ length: count }, (_, i) => `${tower}.encoder.layers.${i}`).flatMap((layer) => [
    ...both(`${layer}.layer_norm1`, [width]),
    ...['q_proj', 'k_proj', 'v_proj', 'out_proj'].flatMap((role) =>
      both(`${layer}.self_attn.${role}`, [width, width]),
    ),
    ...both(`${layer}.layer_norm2`, [width]),
    ...both(`${layer}.mlp.fc1`, [inner, width]),
    ...both(`${layer}.mlp.fc2`, [width, inner]),
  ]);
}

/** Weight and bias, with one bias per row of the weight. */
function both(name: string, shape: readonly number[]): Shape[] {
  return [
    [`${name}.weight`, shape],
    [`${name}.bias`, [shape[0]]],
  ];
}
