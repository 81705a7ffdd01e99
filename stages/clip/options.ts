import * as z from 'zod';
import { HUB_NAME } from './hub-cache.ts';
import { PRECISIONS } from './precision.ts';
import { FULL_CLIP } from './resolve.ts';
import { TEMPLATES, type TemplateSet } from './templates.ts';

/** The batch of random crops that CLIP sees in each step. Shared by stylize and joint training. */
export const cropOptions = z.strictObject({
  count: z.number().int().min(1).max(256).default(8).describe('Crops per step'),
  scale: z
    .tuple([z.number().gt(0).max(1), z.number().gt(0).max(1)])
    .optional()
    .describe(
      'Smallest and largest side of a crop, as a fraction of the shorter image side; that of the preset unless given',
    ),
  rotate: z.number().min(0).max(180).default(10).describe('Maximum rotation of a crop, degrees'),
  flip: z.boolean().default(true).describe('Mirrors half of the crops'),
});
/** Crops as given: the preset adds what is absent. */
export type GivenCrops = z.output<typeof cropOptions>;
export type CropOptions = Required<GivenCrops>;

/** One prompt. */
export const textPrompt = z
  .string()
  .trim()
  .min(1)
  .describe('Text prompt, or the name of a prompt in the library');
const weighted = z.strictObject({
  text: textPrompt,
  weight: z.number().default(1).describe('Weight of its unit embedding; negative to lead away from it'),
});
const prompt = z
  .union([textPrompt, z.array(weighted).min(1)])
  .describe(
    'Text prompt, or the name of a prompt in the library; or a list of { text, weight }, whose embeddings are added. A negative ' +
      'weight leads away from a text',
  );
export const MODEL = 'owner/name[@revision] on the Hugging Face Hub, a folder in its layout, or demo';
const model = z
  .string()
  .optional()
  .meta({
    path: 'folder',
    names: `^demo$|${HUB_NAME.source}`,
    advice: `A CLIP model is ${MODEL}; for example ${FULL_CLIP}`,
  })
  .describe(`CLIP model: ${MODEL}, the small model of the package and the default`);

const precision = z
  .enum(['auto', ...PRECISIONS])
  .default('auto')
  .describe(
    'Numbers of the image encoder: f16 (operands; sums are f32) needs tensor cores that WebGPU offers; auto is f16 there, else f32',
  );

const templates = z
  .enum(Object.keys(TEMPLATES) as [TemplateSet])
  .default('none')
  .describe(
    "Texts around the prompt whose embeddings are averaged; imagenet: CLIP's 80, such as “a painting of the …”",
  );

/** The options that define a CLIP target. */
export const clipTarget = { prompt, templates, model, precision };
