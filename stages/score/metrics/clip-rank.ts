import { embedPrompt } from '../../clip/prompt-embeds.ts';
import { clipMetric, dot, framesOver } from './clip-metric.ts';
import { mean } from './metric.ts';

/**
 * Zero-shot classification (Radford et al. 2021) of the frames among the prompt and those of `score.among`: softmax over
 * the cosines times the model's learnt scale, mean over frames.
 */
export const clipRank = clipMetric({
  name: 'clip.rank',
  summary: 'rank and margin of the prompt among those of score.among, by the softmax of the model',
  meaning:
    'The place of the prompt among the compared prompts when CLIP names each frame: 1 is the right one.',
  needs: { prompt: true, among: true },
  async measure(view) {
    const { model, prompt, frames, among } = view;
    const prompts = [prompt, ...among];
    const width = model.dimensions;
    const embeds = await model.embedTexts(among.map(({ text }) => text));
    const texts = [
      await embedPrompt(model, prompt),
      ...among.map((_, i) => embeds.subarray(i * width, (i + 1) * width)),
    ];
    const scale = await model.logitScale();
    const shares = frames.map(({ embedding }) => softmax(texts.map((text) => scale * dot(embedding, text))));
    const means = prompts.map((_, i) => mean(shares.map((share) => share[i])));
    const [own, ...other] = means;
    const best = prompts[means.indexOf(Math.max(...means))];
    const over = `${framesOver(view, frames.length)}, first of ${prompts.length}: ${JSON.stringify(best.name)}`;
    return [
      view.score('clip.rank', 1 + other.filter((share) => share > own).length, 'rank', over),
      view.score('clip.margin', own - Math.max(...other), 'softmax', over),
    ];
  },
});

function softmax(logits: readonly number[]): number[] {
  const most = Math.max(...logits);
  const powers = logits.map((logit) => Math.exp(logit - most));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}
