import { z } from 'zod';
import { HUB_NAME } from './hub-cache.ts';
import { PRECISIONS } from './precision.ts';
import { FULL_CLIP } from './resolve.ts';

/** The batch of random crops that CLIP sees in each step. Shared by stylize and joint training. */
export const cropOptions = z.strictObject({
  count: z.number().int().min(1).max(256).default(8).describe('Crops per step'),
  scale: z
    .tuple([z.number().gt(0).max(1), z.number().gt(0).max(1)])
    .default([0.5, 1])
    .describe('Smallest and largest side of a crop, as a fraction of the shorter image side'),
  rotate: z.number().min(0).max(180).default(10).describe('Maximum rotation of a crop, degrees'),
  flip: z.boolean().default(true).describe('Mirrors half of the crops'),
});
export type CropOptions = z.output<typeof cropOptions>;

const prompt = z.string().min(1).describe('Text prompt, or the name of a prompt in the library');
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

/** The options that define a CLIP target. */
export const clipTarget = { prompt, model, precision };
