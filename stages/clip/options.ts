import { z } from 'zod';
import { GET_CLIP } from './directory.ts';

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
const model = z
  .string()
  .optional()
  .meta({
    path: 'folder',
    advice: `Models of the Hugging Face Hub are not downloaded here: fetch one, for example with ${GET_CLIP}`,
  })
  .describe('Folder of a CLIP model in the Hugging Face layout. Default: the small model of the package');

/** The options that define a CLIP target. */
export const clipTarget = { prompt, model };

/** `clip: { prompt, weight }` of joint optimisation (eq. 3 of the paper; the weight is its k). */
export const clipTermOptions = z.strictObject({
  ...clipTarget,
  weight: z.number().min(0).default(0.1).describe('Weight k of the CLIP term in L1 − k·CLIP'),
  crops: cropOptions.prefault({}).describe('Random crops of each render, the input of CLIP'),
});
