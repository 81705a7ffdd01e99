import { embedInTemplates, embedPrompt } from '../../clip/prompt-embeds.ts';
import { clipMetric, cosine, difference, type EmbeddedFrame, framesOver } from './clip-metric.ts';
import { mean } from './metric.ts';

/**
 * CLIP score: 100 times the cosine of a frame's embedding with the prompt's (Radford et al. 2021; without the factor 2.5 of
 * Hessel et al. 2021), mean over frames.
 */
export const clip = clipMetric({
  name: 'clip',
  summary: '100 × cosine similarity of the frames and the prompt',
  meaning:
    'How well the frames match the prompt, judged by CLIP, a model that compares pictures with texts: higher is closer. Compare scores of one model only.',
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

/** What the frames before restyling show, in CLIPGaussian's words. */
const SOURCE = 'a Photo';

/**
 * CLIP-SIM of CLIPGaussian (Howil et al. 2025), the directional similarity of StyleGAN-NADA (Gal et al. 2022): the cosine of
 * E(frame) − E(frame before) with E(prompt) − E("a Photo"), texts averaged over prompt templates; mean over frames.
 */
export const clipDirection = clipMetric({
  name: 'clip.direction',
  summary: '100 × cosine of the change of a frame and the step from “a Photo” to the prompt (CLIP-SIM)',
  meaning: 'Whether restyling moved the frames towards the prompt, as CLIP sees it: higher is better.',
  needs: { prompt: true, before: true },
  async measure(view) {
    const { model, prompt, frames, before } = view;
    const target = await embedPrompt(model, prompt, 'imagenet');
    const wanted = difference(target, await embedInTemplates(model, SOURCE, 'imagenet'));
    const cosines = frames.map(({ embedding }, i) =>
      cosine(difference(embedding, before[i].embedding), wanted),
    );
    return [view.score('clip.direction', 100 * mean(cosines), '100·cosine', framesOver(view, frames.length))];
  },
});
