import { clipMetric, cosine, difference, dot, type EmbeddedFrame } from './clip-metric.ts';
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

/** Frames between the two of a pair: by default CLIPGaussian's interval. */
const STEP = 1;

/**
 * CLIP-CONS of CLIPGaussian (Howil et al. 2025), after Instruct-NeRF2NeRF (Haque et al. 2023): the cosine of the step
 * E(frame i + k) − E(frame i) with the same step before restyling, mean over i.
 */
export const clipConsistency = clipMetric({
  name: 'clip.consistency',
  summary: '100 × cosine of the step from one frame to the next after and before restyling (CLIP-CONS)',
  meaning:
    'Whether a step of the camera changes what CLIP sees as it did before restyling: higher is better.',
  needs: { before: true, pairs: true },
  async measure({ frames, before, model, score }) {
    const cosines = frames.slice(STEP).map(({ embedding }, i) => {
      const now = difference(embedding, frames[i].embedding);
      return cosine(now, difference(before[i + STEP].embedding, before[i].embedding));
    });
    const over = `${countOf(cosines.length, 'pair')} of neighbouring frames, ${model.name}`;
    return [score('clip.consistency', 100 * mean(cosines), '100·cosine', over)];
  },
});
