import { z } from 'zod';
import { ACTIVATIONS } from '../../wgsl/nn/elementwise.ts';
import { checkJson, readJson } from '../artefacts/json.ts';

// Bounds: the largest public CLIP (ViT-bigG/14) is 1664 wide, 48 deep and has 336 px inputs in its largest relatives.
const count = (limit: number) => z.number().int().min(1).max(limit);
const activation = z.enum(ACTIVATIONS, {
  error: `supported activations are ${ACTIVATIONS.join(' and ')}`,
});

const tower = {
  num_attention_heads: count(256),
  num_hidden_layers: count(256).default(12),
  hidden_act: activation.default('quick_gelu'),
  layer_norm_eps: z.number().positive().max(1).default(1e-5),
};

const text = z.object({
  ...tower,
  vocab_size: count(2 ** 22).default(49408),
  hidden_size: count(2 ** 14).default(512),
  intermediate_size: count(2 ** 16).default(2048),
  num_attention_heads: tower.num_attention_heads.default(8),
  max_position_embeddings: count(4096).default(77),
  eos_token_id: z.number().int().min(0).default(49407),
});

const vision = z.object({
  ...tower,
  hidden_size: count(2 ** 14).default(768),
  intermediate_size: count(2 ** 16).default(3072),
  num_attention_heads: tower.num_attention_heads.default(12),
  num_channels: z.literal(3).default(3),
  image_size: count(4096).default(224),
  patch_size: count(512).default(32),
});

/** `config.json` of a CLIPModel, with the defaults of transformers' CLIPConfig. */
const schema = z
  .object({
    model_type: z.literal('clip', { error: 'a CLIP model is expected: model_type "clip"' }),
    projection_dim: count(2 ** 14).default(512),
    text_config: text.prefault({}),
    vision_config: vision.prefault({}),
  })
  .superRefine((config, context) => {
    for (const key of ['text_config', 'vision_config'] as const) {
      const { hidden_size: width, num_attention_heads: heads } = config[key];
      const path = [key, 'num_attention_heads'];
      if (width % heads) {
        context.addIssue({
          code: 'custom',
          path,
          message: `${heads} heads do not divide hidden_size ${width}`,
        });
      }
    }
    const { image_size: side, patch_size: patch } = config.vision_config;
    if (patch > side) {
      const message = `patches of ${patch} pixels are larger than the image's ${side}`;
      context.addIssue({ code: 'custom', path: ['vision_config', 'patch_size'], message });
    }
  });

/** The shape of a CLIP model, in the names of Hugging Face's configuration. */
export type ClipConfig = z.infer<typeof schema>;
export type TextConfig = ClipConfig['text_config'];
export type VisionConfig = ClipConfig['vision_config'];

/** @throws InputError with the file and the invalid key. */
export async function readClipConfig(path: string): Promise<ClipConfig> {
  return checkJson(path, schema, await readJson(path));
}

/**
 * Index of the token whose output is the text embedding. With `eos_token_id` 2, as in OpenAI's own configurations, it is the
 * token with the largest id; otherwise the first end-of-text token, or token 0 if there is none, as in transformers.
 */
export function poolIndex(ids: ArrayLike<number>, eosTokenId: number): number {
  const list = Array.from(ids);
  const id = eosTokenId === 2 ? list.reduce((a, b) => Math.max(a, b)) : eosTokenId;
  return Math.max(0, list.indexOf(id));
}
