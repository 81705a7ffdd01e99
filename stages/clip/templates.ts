import { meanDirection } from './encoder.ts';
import type { ClipModel } from './model.ts';

/** The prompt templates of CLIP for ImageNet (Radford et al. 2021), which CLIPstyler and CLIPGaussian use; {} is the text. */
const IMAGENET = [
  'a bad photo of a {}.',
  'a photo of many {}.',
  'a sculpture of a {}.',
  'a photo of the hard to see {}.',
  'a low resolution photo of the {}.',
  'a rendering of a {}.',
  'graffiti of a {}.',
  'a bad photo of the {}.',
  'a cropped photo of the {}.',
  'a tattoo of a {}.',
  'the embroidered {}.',
  'a photo of a hard to see {}.',
  'a bright photo of a {}.',
  'a photo of a clean {}.',
  'a photo of a dirty {}.',
  'a dark photo of the {}.',
  'a drawing of a {}.',
  'a photo of my {}.',
  'the plastic {}.',
  'a photo of the cool {}.',
  'a close-up photo of a {}.',
  'a black and white photo of the {}.',
  'a painting of the {}.',
  'a painting of a {}.',
  'a pixelated photo of the {}.',
  'a sculpture of the {}.',
  'a bright photo of the {}.',
  'a cropped photo of a {}.',
  'a plastic {}.',
  'a photo of the dirty {}.',
  'a jpeg corrupted photo of a {}.',
  'a blurry photo of the {}.',
  'a photo of the {}.',
  'a good photo of the {}.',
  'a rendering of the {}.',
  'a {} in a video game.',
  'a photo of one {}.',
  'a doodle of a {}.',
  'a close-up photo of the {}.',
  'a photo of a {}.',
  'the origami {}.',
  'the {} in a video game.',
  'a sketch of a {}.',
  'a doodle of the {}.',
  'a origami {}.',
  'a low resolution photo of a {}.',
  'the toy {}.',
  'a rendition of the {}.',
  'a photo of the clean {}.',
  'a photo of a large {}.',
  'a rendition of a {}.',
  'a photo of a nice {}.',
  'a photo of a weird {}.',
  'a blurry photo of a {}.',
  'a cartoon {}.',
  'art of a {}.',
  'a sketch of the {}.',
  'a embroidered {}.',
  'a pixelated photo of a {}.',
  'itap of the {}.',
  'a jpeg corrupted photo of the {}.',
  'a good photo of a {}.',
  'a plushie {}.',
  'a photo of the nice {}.',
  'a photo of the small {}.',
  'a photo of the weird {}.',
  'the cartoon {}.',
  'art of the {}.',
  'a drawing of the {}.',
  'a photo of the large {}.',
  'a black and white photo of a {}.',
  'the plushie {}.',
  'a dark photo of a {}.',
  'itap of a {}.',
  'graffiti of the {}.',
  'a toy {}.',
  'itap of my {}.',
  'a photo of a cool {}.',
  'a photo of a small {}.',
  'a tattoo of the {}.',
] as const;

/** Sets of prompt templates by their name in the options. */
export const TEMPLATES = { none: ['{}'], imagenet: IMAGENET } as const;
export type TemplateSet = keyof typeof TEMPLATES;

/** Texts in one pass of the text encoder: its widest activations fit into 128 MiB for all models of 77 tokens. */
const TEXTS_AT_ONCE = 32;

/** The mean direction f32 [D] of the embeddings of a text in each template, of unit length. */
export async function embedInTemplates(
  model: ClipModel,
  text: string,
  set: TemplateSet,
): Promise<Float32Array> {
  const texts = TEMPLATES[set].map((template) => template.replace('{}', () => text));
  const embeds = new Float32Array(model.dimensions * texts.length);
  for (let first = 0; first < texts.length; first += TEXTS_AT_ONCE) {
    const some = await model.embedTexts(texts.slice(first, first + TEXTS_AT_ONCE));
    embeds.set(some, first * model.dimensions);
  }
  return meanDirection(embeds, model.dimensions);
}
