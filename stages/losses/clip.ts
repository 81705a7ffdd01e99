import * as z from 'zod';
import { dispatchCosines, dispatchCosinesBackward } from '../../wgsl/nn/cosine-similarity.ts';
import { randomCrops, wholeViews } from './crop-groups.ts';
import { defineLoss } from './loss.ts';

/**
 * −cos(CLIP(crop), CLIP(prompt)), the mean over the random crops, or −cos(CLIP(view), CLIP(prompt)): eq. 5 of Kompella et al., and the
 * CLIP term of their eq. 3.
 */
export const clip = defineLoss({
  name: 'clip',
  summary: 'minus the cosine of crops and prompt (eq. 5 of the paper)',
  settings: {
    on: z
      .enum(['crops', 'view'])
      .describe('What the model sees: the random crops, or the whole view, squashed to a square'),
  },
  defaults: { weight: 1, on: 'crops' },
  needs: ({ on }, settings) => ({ crops: on === 'view' ? wholeViews() : randomCrops(settings) }),
  async create({ gpu, arena, weight, encoder, texts }, { on }) {
    const { embeds, gradEmbeds, dimensions } = encoder!;
    const { first, count } = encoder!.rows(on);
    const targets = arena.upload('clip/target', texts.target, 'parameters');
    const cosines = arena.buffer('clip/cosines', 4 * count);
    const gradCosines = arena.upload(
      'clip/gradCosines',
      new Float32Array(count).fill(-weight / count),
      'parameters',
    );
    const context = { arena, target: gpu.target };
    const shape = { rows: count, width: dimensions, isShared: true, firstRow: first };
    const x = embeds;
    const forward = await dispatchCosines(context, shape, { x, targets, cosines });
    const bindings = { x, targets, gradCosines, gradX: gradEmbeds };
    const backward = await dispatchCosinesBackward(context, shape, bindings, true);
    return {
      recordEmbeds(recorder) {
        recorder.run(forward.bound, forward.groups);
        recorder.run(backward.bound, backward.groups);
      },
      metrics: {
        buffer: cosines,
        words: count,
        read: (words) => ({ clip: (100 * words.reduce((sum, x) => sum + x, 0)) / words.length }),
      },
    };
  },
});
