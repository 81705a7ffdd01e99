import { correlation, Structure } from '../../wgsl/image/structure.ts';
import { defineLoss } from './loss.ts';

/**
 * 1 − ρ, the correlation of the luminance gradients at half resolution with the base's, weighted by the base's magnitude: the loss of
 * the score of that name (docs/scores.md). Lettering stays legible; colours and contrast as a whole are free.
 */
export const structure = defineLoss({
  name: 'structure',
  summary: '1 − correlation of the luminance gradients with those before restyling, which preserves edges',
  settings: {},
  defaults: { weight: 1 },
  needs: () => ({ base: true }),
  async create({ gpu, arena, picture, base, weight }) {
    const { width, height, color, gradient } = picture;
    const options = { width, height, picture: color, base: base!.color, gradient };
    const engine = await Structure.create(gpu, arena, options);
    return {
      prepare(_, { camera }) {
        engine.set(camera, { weight });
      },
      recordPicture(recorder) {
        engine.record(recorder);
        engine.recordBackward(recorder);
      },
      metrics: {
        buffer: engine.result,
        words: 4,
        read: (sums) => ({ structure: 1 - (correlation(sums) ?? 1) }),
      },
    };
  },
});
