import * as z from 'zod';
import { checkJson } from '../../artefacts/json.ts';
import { parseProcessor, SIGLIP_PROCESSOR } from '../preprocessor.ts';
import type { Place } from '../weights.ts';
import { activation, checkHeads, checkPatches, commonShape, type Family, SIZES } from './family.ts';

const tower = {
  hidden_size: SIZES.width.default(768),
  intermediate_size: SIZES.inner.default(3072),
  num_hidden_layers: SIZES.layers.default(12),
  num_attention_heads: SIZES.heads.default(12),
  hidden_act: activation.prefault('gelu_pytorch_tanh'),
  layer_norm_eps: SIZES.epsilon.default(1e-6),
};

/** `config.json` of a SiglipModel, with the defaults of transformers' SiglipConfig. */
const schema = z
  .object({
    text_config: z
      .object({
        ...tower,
        vocab_size: SIZES.vocabulary.default(32000),
        max_position_embeddings: SIZES.length.default(64),
        projection_size: SIZES.dimensions.nullish(),
      })
      .prefault({}),
    vision_config: z
      .object({
        ...tower,
        num_channels: z.literal(3).default(3),
        image_size: SIZES.imageSize.default(224),
        patch_size: SIZES.patch.default(16),
        vision_use_head: z
          .literal(true, { error: 'a SigLIP without its pooling head has no image embedding' })
          .default(true),
      })
      .prefault({}),
  })
  .superRefine(({ text_config: text, vision_config: vision }, context) => {
    checkHeads(context, ['text_config', 'num_attention_heads'], text.hidden_size, text.num_attention_heads);
    checkHeads(
      context,
      ['vision_config', 'num_attention_heads'],
      vision.hidden_size,
      vision.num_attention_heads,
    );
    checkPatches(context, ['vision_config', 'patch_size'], vision.image_size, vision.patch_size);
    const dimensions = text.projection_size ?? text.hidden_size;
    if (dimensions !== vision.hidden_size) {
      const message = `texts have ${dimensions} numbers, images ${vision.hidden_size} (vision_config.hidden_size)`;
      context.addIssue({ code: 'custom', path: ['text_config', 'projection_size'], message });
    }
  });

const ATTENTION = /^(vision_model\.head\.attention)\.([qkv])_proj\.(weight|bias)$/;

/** SigLIP and SigLIP 2 of one resolution, in transformers' layout (Zhai et al. 2023; Tschannen et al. 2025). */
export const siglip: Family = {
  name: 'SigLIP',
  towers(path, config) {
    const { text_config: text, vision_config: vision } = checkJson(path, schema, config);
    return {
      dimensions: vision.hidden_size,
      vision: {
        ...commonShape(vision),
        imageSize: vision.image_size,
        patch: vision.patch_size,
        hasPatchBias: true,
        hasClassToken: false,
        hasPreNorm: false,
        pooling: 'attention',
        hasProjection: false,
      },
      text: {
        ...commonShape(text),
        vocabulary: text.vocab_size,
        length: text.max_position_embeddings,
        isCausal: false,
        pooling: { kind: 'last' },
        hasProjectionBias: true,
      },
    };
  },
  preprocessor: (path, config, side) => parseProcessor(path, config, side, SIGLIP_PROCESSOR),
  tokens: 'siglip',
  /** q, k and v of the head are packed; the projection of texts is called their head. */
  place(name, shape): Place {
    if (name === 'logit_scale') return { name, shape: [1] };
    const packed = ATTENTION.exec(name);
    if (packed) {
      const [, attention, role, kind] = packed;
      const [rows, ...rest] = shape;
      return {
        name: `${attention}.in_proj_${kind}`,
        shape: [3 * rows, ...rest],
        firstRow: 'qkv'.indexOf(role) * rows,
      };
    }
    return { name: name.replace(/^text_projection\./, 'text_model.head.'), shape };
  },
};
