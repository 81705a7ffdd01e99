import * as z from 'zod';
import { InputError } from '../../wgsl/core/index.ts';
import { randomPatches } from './crop-groups.ts';
import { directionLoss, SOURCE, sourceText } from './direction.ts';
import { defineLoss } from './loss.ts';

/** The patch loss of CLIPstyler (Kwon and Ye 2022, eq. 4 and 5): the directional loss on many small crops. */
export const patch = defineLoss({
  name: 'patch',
  summary:
    'the directional loss on many small crops, without those that are close to the prompt already (CLIPstyler)',
  settings: {
    count: z.number().int().min(1).max(256).describe('Patches per step'),
    scale: z
      .tuple([z.number().gt(0).max(1), z.number().gt(0).max(1)])
      .describe('Smallest and largest side of a patch, as a fraction of the shorter image side'),
    flip: z.boolean().describe('Mirrors half of the patches'),
    perspective: z
      .number()
      .min(0)
      .max(0.5)
      .describe(
        'How far each corner of a patch moves inwards at most, as a fraction of half of its side; 0 is a square',
      ),
    threshold: z
      .number()
      .min(0)
      .max(2)
      .describe('A patch with a smaller loss counts as 0 and has no gradient'),
    source: sourceText,
  },
  defaults: {
    weight: 1,
    count: 64,
    scale: [0.1, 0.3],
    flip: true,
    perspective: 0.5,
    threshold: 0.7,
    source: SOURCE,
  },
  needs(options, settings) {
    const [smallest, largest] = options.scale;
    if (smallest > largest) {
      throw new InputError(`losses.patch.scale is [smallest, largest], got [${smallest}, ${largest}]`);
    }
    return { crops: randomPatches(settings, options), baseEmbeds: 'view', source: options.source };
  },
  create: (context, { source, threshold }) =>
    directionLoss(context, { name: 'patch', crops: 'patches', source, from: 'view', threshold }),
});
