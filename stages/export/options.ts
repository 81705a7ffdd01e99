import * as z from 'zod';
import { backgroundOption } from '../artefacts/background.ts';
import { SPLAT_FORMAT_NAMES, SPLAT_FORMATS } from '../artefacts/splat-writer.ts';
import { regionOption } from '../regions/options.ts';

export const exportOptions = z.strictObject({
  formats: z
    .array(z.enum(SPLAT_FORMAT_NAMES))
    .min(1)
    .describe(
      `Files to write, as export/splat.…; ${Object.entries(SPLAT_FORMATS)
        .map(([name, { summary }]) => `${name}: ${summary}`)
        .join('; ')}`,
    ),
  bands: z
    .union([z.literal(0), z.literal(1), z.literal(2), z.literal(3)])
    .optional()
    .describe('Highest SH degree to keep; 0 is one colour from all sides. Default: all'),
  crop: regionOption.optional().describe('Keeps the Gaussians with their mean in this region only'),
  prune: z
    .strictObject({
      opacity: z
        .number()
        .min(0)
        .max(1)
        .optional()
        .describe('Removes Gaussians of a lower opacity; 1/255 removes those that no picture shows'),
      visibility: z
        .number()
        .min(0)
        .optional()
        .describe(
          'Removes Gaussians with a lower contribution: their blending weight summed over the pixels of all training views, pixels',
        ),
    })
    .default({})
    .describe('Removes Gaussians that matter little'),
  count: z
    .int()
    .min(1)
    .optional()
    .describe('Keeps this many Gaussians: those that contribute most to the training views'),
  iterations: z
    .int()
    .min(1)
    .max(100)
    .default(1)
    .describe(
      'Iterations of the k-means over SH in .sog and .html; each takes long, and the second gains up to 2 dB',
    ),
  views: z
    .int()
    .min(1)
    .max(1000)
    .default(8)
    .describe('Number of training views, evenly chosen, in which each file is compared with the splat'),
  background: backgroundOption('Background colour of the comparison and of the viewer'),
});

export type ExportOptions = z.output<typeof exportOptions>;
/** Options of export as a caller gives them: docs/options.md has units and defaults. */
export type ExportInput = z.input<typeof exportOptions>;
