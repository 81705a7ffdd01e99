import * as z from 'zod';
import { InputError } from '../../../wgsl/core/index.ts';
import { excerpt, shortened } from '../../artefacts/excerpt.ts';
import { checkJson } from '../../artefacts/json.ts';
import { checkDeviation, OPENAI_PIXELS, rgb } from '../preprocessor.ts';
import type { Place } from '../weights.ts';
import { checkHeads, checkPatches, type Family, SIZES } from './family.ts';

// Keys with one supported value, and keys that only training or another value of such a key reads.
const off = z.literal(false, { error: 'is not supported: only false is' }).nullish();
const none = z.null({ error: 'is not supported: only null is' }).optional();
const unread = z.unknown().optional();

const tower = {
  layers: SIZES.layers.default(12),
  mlp_ratio: z.number().positive().max(64).default(4),
  norm_kwargs: z.strictObject({ eps: SIZES.epsilon.optional() }).nullish(),
  act_kwargs: none,
  ls_init_value: none,
  output_tokens: unread,
  // The class token and the end mark are normalised alone or with the others: the same.
  final_ln_after_pool: unread,
};

const vision = z.strictObject({
  ...tower,
  width: SIZES.width.default(768),
  head_width: SIZES.width.default(64),
  image_size: SIZES.imageSize.default(224),
  patch_size: SIZES.patch.default(16),
  no_ln_pre: z.boolean().default(false),
  pool_type: z.literal('tok', { error: 'is not supported: only "tok" is' }).nullish(),
  pos_embed_type: z.literal('learnable', { error: 'is not supported: only "learnable" is' }).nullish(),
  global_average_pool: off,
  input_patchnorm: off,
  attentional_pool: off,
  attn_pooler_queries: unread,
  attn_pooler_heads: unread,
  n_queries: unread,
  patch_dropout: unread,
});

const text = z.strictObject({
  ...tower,
  width: SIZES.width.default(512),
  heads: SIZES.heads.default(8),
  context_length: SIZES.length.default(77),
  vocab_size: SIZES.vocabulary.default(49408),
  pool_type: z.literal('argmax', { error: 'is not supported: only "argmax" is' }).nullish(),
  proj_type: z.literal('linear', { error: 'is not supported: only "linear" is' }).nullish(),
  hf_tokenizer_name: z.string().regex(/clip/i, 'is not supported: only the tokenizer of CLIP is').nullish(),
  tokenizer_kwargs: z.strictObject({}).nullish(),
  no_causal_mask: off,
  embed_cls: off,
  proj_bias: off,
  pad_id: unread,
  eos_id: unread,
});

/** `open_clip_config.json`, with the defaults of OpenCLIP's CLIPVisionCfg, CLIPTextCfg and PreprocessCfg. */
const modelSchema = z.object({
  model_cfg: z
    .object({
      embed_dim: SIZES.dimensions,
      quick_gelu: z.boolean().default(false),
      vision_cfg: vision,
      text_cfg: text,
    })
    .superRefine((model, context) => {
      const { width, head_width, image_size, patch_size } = model.vision_cfg;
      if (width % head_width) {
        const message = `heads of ${head_width} do not divide a width of ${width}`;
        context.addIssue({ code: 'custom', path: ['vision_cfg', 'head_width'], message });
      }
      checkHeads(context, ['text_cfg', 'heads'], model.text_cfg.width, model.text_cfg.heads);
      checkPatches(context, ['vision_cfg', 'patch_size'], image_size, patch_size);
    }),
});

const preprocessSchema = z.object({
  preprocess_cfg: z
    .object({
      mean: rgb('means').default(OPENAI_PIXELS.mean),
      std: rgb('deviations').default(OPENAI_PIXELS.deviation),
      resize_mode: z
        .enum(['shortest', 'squash'], { error: 'supported are "shortest" and "squash"' })
        .default('shortest'),
    })
    .prefault({}),
});

/** CLIP in OpenCLIP's own layout: LAION, DataComp, DFN (Cherti et al. 2023). */
export const openClip: Family = {
  name: 'OpenCLIP',
  tokens: 'clip',
  towers(path, config) {
    refuseOtherTowers(path, config);
    const { model_cfg: model } = checkJson(path, modelSchema, config);
    const { vision_cfg: vision, text_cfg: text } = model;
    const common = ({ width, layers, mlp_ratio, norm_kwargs }: typeof vision | typeof text) => ({
      width,
      layers,
      inner: Math.floor(width * mlp_ratio),
      activation: model.quick_gelu ? ('quick_gelu' as const) : ('gelu' as const),
      epsilon: norm_kwargs?.eps ?? 1e-5,
    });
    return {
      dimensions: model.embed_dim,
      vision: {
        ...common(vision),
        heads: vision.width / vision.head_width,
        imageSize: vision.image_size,
        patch: vision.patch_size,
        hasPatchBias: false,
        hasClassToken: true,
        hasPreNorm: !vision.no_ln_pre,
        pooling: 'class',
        hasProjection: true,
      },
      text: {
        ...common(text),
        heads: text.heads,
        vocabulary: text.vocab_size,
        length: text.context_length,
        isCausal: true,
        pooling: { kind: 'largest-id' },
        hasProjectionBias: false,
      },
    };
  },
  preprocessor(path, config, side) {
    const { mean, std, resize_mode } = checkJson(path, preprocessSchema, config).preprocess_cfg;
    checkDeviation(path, 'preprocess_cfg.std', std);
    const fit =
      resize_mode === 'squash'
        ? ({ kind: 'exact', width: side, height: side } as const)
        : ({ kind: 'shortest-edge', pixels: side } as const);
    return { mean, deviation: std, fit };
  },
  place,
};

/** Towers that other programs define, by the key of the configuration that names them. */
function refuseOtherTowers(path: string, config: unknown): void {
  const { vision_cfg, text_cfg, custom_text, multimodal_cfg } = Object(Object(config).model_cfg);
  const { timm_model_name: timm, layers } = Object(vision_cfg);
  const { hf_model_name: text } = Object(text_cfg);
  const named = (value: unknown) => (typeof value === 'string' ? shortened(value, 60) : excerpt(value));
  const kind =
    (timm && `an image tower of timm (${named(timm)})`) ||
    (Array.isArray(layers) && 'a ResNet as its image tower') ||
    (text && `a text tower of transformers (${named(text)})`) ||
    (multimodal_cfg && 'a text decoder (CoCa)') ||
    (custom_text && 'a text tower of its own (custom_text)');
  if (!kind) return;
  const instead = /siglip/i.test(named(timm))
    ? 'google/siglip-base-patch16-224, the same family in transformers’ layout'
    : 'laion/CLIP-ViT-B-32-laion2B-s34B-b79K, or another ViT of OpenCLIP';
  throw new InputError(`the model has ${kind}, which is not supported. Use ${instead}`, path);
}

/** Names outside the layers. */
const NAMES: Record<string, string> = {
  'vision_model.embeddings.class_embedding': 'visual.class_embedding',
  'vision_model.embeddings.patch_embedding.weight': 'visual.conv1.weight',
  'vision_model.embeddings.position_embedding.weight': 'visual.positional_embedding',
  'vision_model.pre_layrnorm.weight': 'visual.ln_pre.weight',
  'vision_model.pre_layrnorm.bias': 'visual.ln_pre.bias',
  'vision_model.post_layernorm.weight': 'visual.ln_post.weight',
  'vision_model.post_layernorm.bias': 'visual.ln_post.bias',
  'text_model.embeddings.token_embedding.weight': 'token_embedding.weight',
  'text_model.embeddings.position_embedding.weight': 'positional_embedding',
  'text_model.final_layer_norm.weight': 'ln_final.weight',
  'text_model.final_layer_norm.bias': 'ln_final.bias',
};

/** Matrices that multiply from the right: [inputs, outputs]. */
const TRANSPOSED: Record<string, string> = {
  'visual_projection.weight': 'visual.proj',
  'text_projection.weight': 'text_projection',
};

const PARTS: Record<string, string> = {
  layer_norm1: 'ln_1',
  layer_norm2: 'ln_2',
  'self_attn.out_proj': 'attn.out_proj',
  'mlp.fc1': 'mlp.c_fc',
  'mlp.fc2': 'mlp.c_proj',
};

const LAYER = /^(vision|text)_model\.encoder\.layers\.(\d+)\.(.+)\.(weight|bias)$/;
const PACKED = /^self_attn\.([qkv])_proj$/;

function place(name: string, shape: readonly number[]): Place {
  const transposed = TRANSPOSED[name];
  if (transposed) return { name: transposed, shape: shape.toReversed(), isTransposed: true };
  const match = LAYER.exec(name);
  if (!match) return { name: NAMES[name] ?? name, shape };
  const [, model, layer, part, kind] = match;
  const block = `${model === 'vision' ? 'visual.' : ''}transformer.resblocks.${layer}`;
  const packed = PACKED.exec(part);
  if (!packed) return { name: `${block}.${PARTS[part]}.${kind}`, shape };
  const [rows, ...rest] = shape;
  const firstRow = 'qkv'.indexOf(packed[1]) * rows;
  return { name: `${block}.attn.in_proj_${kind}`, shape: [3 * rows, ...rest], firstRow };
}
