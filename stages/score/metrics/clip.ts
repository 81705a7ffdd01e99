import { clipMetric, type EmbeddedFrame, framesOver } from './clip-metric.ts';
import { mean } from './metric.ts';

/**
 * CLIP score: 100 times the cosine of a frame's embedding with the prompt's (Radford et al. 2021; without the factor 2.5 of
 * Hessel et al. 2021), mean over frames.
 */
export const clip = clipMetric({
  name: 'clip',
  summary: '100 × cosine similarity of the frames and the prompt',
  meaning:
    'How well CLIP finds the prompt in the frames: higher is closer. Compare scores of one model only.',
  needs: { prompt: true },
  async measure(view) {
    const scoreOf = (name: string, frames: readonly EmbeddedFrame[]) => {
      const value = 100 * mean(frames.map(({ cosine }) => cosine));
      return view.score(name, value, '100·cosine', framesOver(view, frames.length));
    };
    const { frames, before } = view;
    return [scoreOf('clip', frames), ...(before.length ? [scoreOf('clip.before', before)] : [])];
  },
});
