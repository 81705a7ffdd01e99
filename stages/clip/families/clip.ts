import * as z from 'zod';
import { checkJson } from '../../artefacts/json.ts';
import { CLIP_PROCESSOR, parseProcessor } from '../preprocessor.ts';
import type { Towers } from '../towers.ts';
import { activation, checkHeads, checkPatches, commonShape, type Family, SIZES } from './family.ts';

const tower = {
  num_hidden_layers: SIZES.layers.default(12),
  hidden_act: activation.prefault('quick_gelu'),
  layer_norm_eps: SIZES.epsilon.default(1e-5),
};

/** `config.json` of a CLIPModel, with the defaults of transformers' CLIPConfig. */
const schema = z
  .object({
    projection_dim: SIZES.dimensions.default(512),
    text_config: z
      .object({
        ...tower,
        vocab_size: SIZES.vocabulary.default(49408),
        hidden_size: SIZES.width.default(512),
        intermediate_size: SIZES.inner.default(2048),
        num_attention_heads: SIZES.heads.default(8),
        max_position_embeddings: SIZES.length.default(77),
        eos_token_id: z.number().int().min(0).default(49407),
      })
      .prefault({}),
    vision_config: z
      .object({
        ...tower,
        hidden_size: SIZES.width.default(768),
        intermediate_size: SIZES.inner.default(3072),
        num_attention_heads: SIZES.heads.default(12),
        num_channels: z.literal(3).default(3),
        image_size: SIZES.imageSize.default(224),
        patch_size: SIZES.patch.default(32),
      })
      .prefault({}),
  })
  .superRefine((config, context) => {
    for (const key of ['text_config', 'vision_config'] as const) {
      const { hidden_size: width, num_attention_heads: heads } = config[key];
      checkHeads(context, [key, 'num_attention_heads'], width, heads);
    }
    const { image_size: side, patch_size: patch } = config.vision_config;
    checkPatches(context, ['vision_config', 'patch_size'], side, patch);
  });

/** CLIP in transformers' layout (Radford et al. 2021): OpenAI's, LAION's, MetaCLIP, TinyCLIP. */
export const clip: Family = {
  name: 'CLIP',
  towers(path, config): Towers {
    const {
      text_config: text,
      vision_config: vision,
      projection_dim,
    } = checkJson(path, schema, withOldKeys(config));
    const { eos_token_id: id } = text;
    return {
      dimensions: projection_dim,
      vision: {
        ...commonShape(vision),
        imageSize: vision.image_size,
        patch: vision.patch_size,
        hasPatchBias: false,
        hasClassToken: true,
        hasPreNorm: true,
        pooling: 'class',
        hasProjection: true,
      },
      text: {
        ...commonShape(text),
        vocabulary: text.vocab_size,
        length: text.max_position_embeddings,
        isCausal: true,
        // OpenAI's own configurations say 2, which is not the id of their end mark: transformers takes the largest id then.
        pooling: id === 2 ? { kind: 'largest-id' } : { kind: 'id', id },
        hasProjectionBias: false,
      },
    };
  },
  preprocessor: (path, config, side) => parseProcessor(path, config, side, CLIP_PROCESSOR),
  tokens: 'clip',
  place: (name, shape) => ({ name, shape }),
};

/** Old configurations repeat the towers under `…_dict`, which then replaces the other, as in transformers. */
function withOldKeys(config: unknown): unknown {
  const given = Object(config);
  return {
    ...given,
    text_config: given.text_config_dict ?? given.text_config ?? {},
    vision_config: given.vision_config_dict ?? given.vision_config ?? {},
  };
}
