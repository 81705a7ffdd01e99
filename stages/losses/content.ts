import { dispatchCosines, dispatchCosinesBackward } from '../../wgsl/nn/cosine-similarity.ts';
import { wholeViews } from './crop-groups.ts';
import { defineLoss } from './loss.ts';

/**
 * The distance of the image encoder's own features: 1 − the cosine of each token of the whole view with that of the base, after half of
 * the layers. The role of the VGG features in CLIPstyler, without another network.
 */
export const content = defineLoss({
  name: 'content',
  summary: '1 − the cosine of mid-layer tokens of the CLIP model with those of the base, on the whole view',
  settings: {},
  defaults: { weight: 1 },
  needs: () => ({ crops: wholeViews(), features: true }),
  async create({ gpu, arena, weight, encoder }) {
    const { tokens, gradTokens, base, count, width } = encoder!.features!;
    const cosines = arena.buffer('content/cosines', 4 * count);
    const gradients = new Float32Array(count).fill(-weight / count);
    const gradCosines = arena.upload('content/gradCosines', gradients, 'parameters');
    const context = { arena, target: gpu.target };
    const shape = { rows: count, width, isShared: false };
    const forward = await dispatchCosines(context, shape, { x: tokens, targets: base, cosines });
    const bindings = { x: tokens, targets: base, gradCosines, gradX: gradTokens };
    const backward = await dispatchCosinesBackward(context, shape, bindings, false);
    return {
      recordEmbeds(recorder) {
        recorder.run(forward.bound, forward.groups);
        recorder.run(backward.bound, backward.groups);
      },
      metrics: {
        buffer: cosines,
        words: count,
        read: (words) => ({ content: 1 - words.reduce((sum, cosine) => sum + cosine, 0) / words.length }),
      },
    };
  },
});
