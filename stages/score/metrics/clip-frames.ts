import { clipMetric, dot, type EmbeddedFrame } from './clip-metric.ts';
import { countOf, mean } from './metric.ts';

/**
 * CLIP-F of CLIPGaussian (Howil et al. 2025): the mean cosine of neighbouring frames, divided by that before restyling.
 */
export const clipFrames = clipMetric({
  name: 'clip.frames',
  summary: '100 × cosine of neighbouring frames ÷ that before restyling (CLIP-F)',
  meaning:
    'How alike CLIP finds neighbouring frames, relative to the splat before restyling: 100 is as alike as before.',
  needs: { before: true, pairs: true },
  async measure({ frames, before, model, score }) {
    const similarity = (list: readonly EmbeddedFrame[]) =>
      mean(list.slice(1).map(({ embedding }, i) => dot(embedding, list[i].embedding)));
    const over = `${countOf(frames.length - 1, 'pair')} of neighbouring frames, ${model.name}`;
    return [score('clip.frames', (100 * similarity(frames)) / similarity(before), '100·ratio', over)];
  },
});
