import { z } from 'zod';
import { GET_CLIP } from './directory.ts';

/** How renders are shown to CLIP: a batch of random crops per step. Shared by stylize and joint training. */
export const cropOptions = z.strictObject({
  count: z.number().int().min(1).max(256).default(8).describe('Crops per step'),
  scale: z
    .tuple([z.number().gt(0).max(1), z.number().gt(0).max(1)])
    .default([0.5, 1])
    .describe('Smallest and largest side of a crop, as a part of the shorter image side'),
  rotate: z.number().min(0).max(180).default(10).describe('Largest rotation of a crop, degrees'),
  flip: z.boolean().default(true).describe('Mirror half of the crops'),
});
export type CropOptions = z.output<typeof cropOptions>;

const prompt = z.string().min(1).describe('A name in the prompt library, or the text itself');
const model = z
  .string()
  .optional()
  .meta({
    path: 'folder',
    advice: `Models of the Hugging Face Hub are not downloaded here: fetch one, for example with ${GET_CLIP}`,
  })
  .describe('Folder of a CLIP model in the Hugging Face layout; the small one of the package unless given');

/** What names a CLIP target. */
export const clipTarget = { prompt, model };

/** `clip: { prompt, weight }` of joint optimisation (paper, eq. 3: k is the weight). */
export const clipTermOptions = z.strictObject({
  ...clipTarget,
  weight: z.number().min(0).default(0.1).describe('k of L1 − k·CLIP'),
  crops: cropOptions.prefault({}).describe('Crops of each render that CLIP sees'),
});
export type ClipTermOptions = z.output<typeof clipTermOptions>;
