import { InputError } from '../../../wgsl/core/index.ts';
import { excerpt } from '../../artefacts/excerpt.ts';
import { readJson } from '../../artefacts/json.ts';
import type { Towers } from '../towers.ts';
import { clip } from './clip.ts';
import type { Family } from './family.ts';
import { openClip } from './open-clip.ts';
import { siglip } from './siglip.ts';

export type { Family } from './family.ts';

/** The families by `model_type` of their configuration; OpenCLIP's has a `model_cfg` instead. */
const FAMILIES: Record<string, Family> = { clip, siglip };

const USE_CLIP = 'laion/CLIP-ViT-B-32-laion2B-s34B-b79K';
const USE_SIGLIP_2 = 'google/siglip2-base-patch16-224';

/** Models by `model_type` that are asked for and not supported: what they are, and what to use instead. */
const UNSUPPORTED: Record<string, { name: string; instead: string }> = {
  siglip2: { name: 'NaFlex SigLIP 2 (pictures of any shape)', instead: `${USE_SIGLIP_2}, of one resolution` },
  metaclip_2: {
    name: 'MetaCLIP 2 (a text tower of many languages)',
    instead: `${USE_SIGLIP_2}, of many languages`,
  },
  mobileclip: { name: 'MobileCLIP (convolutions)', instead: 'wkcn/TinyCLIP-ViT-39M-16-Text-19M-YFCC15M' },
  eva_clip: { name: 'EVA-CLIP (rotary embeddings)', instead: 'laion/CLIP-ViT-L-14-laion2B-s32B-b82K' },
  jina_clip: { name: 'Jina CLIP (rotary embeddings)', instead: USE_CLIP },
  chinese_clip: { name: 'Chinese CLIP (a BERT for texts)', instead: `${USE_SIGLIP_2}, of many languages` },
  altclip: { name: 'AltCLIP (an XLM-R for texts)', instead: `${USE_SIGLIP_2}, of many languages` },
  align: { name: 'ALIGN (convolutions)', instead: USE_CLIP },
  clip_vision_model: { name: 'the image half of a CLIP alone', instead: USE_CLIP },
  clip_text_model: { name: 'the text half of a CLIP alone', instead: USE_CLIP },
  siglip_vision_model: { name: 'the image half of a SigLIP alone', instead: USE_SIGLIP_2 },
  siglip_text_model: { name: 'the text half of a SigLIP alone', instead: USE_SIGLIP_2 },
};

/** The family and the shape of a model. @throws InputError with the file and the invalid key, or what to use instead. */
export async function readConfig(path: string): Promise<{ family: Family; towers: Towers }> {
  const config = await readJson(path);
  const family = Object(config).model_cfg !== undefined ? openClip : familyOf(path, config);
  return { family, towers: family.towers(path, config) };
}

function familyOf(path: string, config: unknown): Family {
  const { model_type, vision_config } = Object(config);
  const type = typeof model_type === 'string' ? model_type : '';
  // Some SigLIP 2 of one resolution say so, though they are SigLIP in every other respect.
  const { image_size, num_patches } = Object(vision_config);
  if (type === 'siglip2' && image_size !== undefined && num_patches === undefined) return siglip;
  if (Object.hasOwn(FAMILIES, type)) return FAMILIES[type];
  const other = Object.hasOwn(UNSUPPORTED, type) ? UNSUPPORTED[type] : undefined;
  throw new InputError(
    other
      ? `model_type ${JSON.stringify(type)}: ${other.name} is not supported. Use ${other.instead}`
      : `model_type: ${model_type === undefined ? 'is missing' : `${excerpt(model_type)} is not a supported family`}; ` +
          `supported are ${Object.keys(FAMILIES).join(', ')}, and OpenCLIP's own layout. Use ${USE_CLIP}`,
    path,
  );
}
