import { embedPrompt } from '../../clip/prompt-embeds.ts';
import { resolvePrompt } from '../../clip/prompts.ts';
import { clipMetric, dot, framesOver } from './clip-metric.ts';
import { mean } from './metric.ts';

/**
 * Zero-shot classification (Radford et al. 2021) of the frames among the prompt and those of `score.among`: softmax over
 * the cosines times the model's learnt scale, mean over frames.
 */
export const clipRank = clipMetric({
  name: 'clip.rank',
  summary: 'rank and margin of the prompt among those of score.among, by the softmax of the model',
  needs: { prompt: true, among: true },
  async measure(view) {
    const { model, prompt, frames, among } = view;
    const others = await Promise.all(among.map((name) => resolvePrompt(name)));
    const isOwn = (text: string) => prompt.parts.length === 1 && prompt.parts[0].text === text;
    const rest = others.filter(({ text }) => !isOwn(text));
    const prompts = [prompt, ...rest];
    const width = model.dimensions;
    const embeds = rest.length ? await model.embedTexts(rest.map(({ text }) => text)) : new Float32Array();
    const texts = [
      await embedPrompt(model, prompt),
      ...rest.map((_, i) => embeds.subarray(i * width, (i + 1) * width)),
    ];
    const scale = await model.logitScale();
    const shares = frames.map(({ embedding }) => softmax(texts.map((text) => scale * dot(embedding, text))));
    const means = prompts.map((_, i) => mean(shares.map((share) => share[i])));
    const [own, ...other] = means;
    const best = prompts[means.indexOf(Math.max(...means))];
    const over = `${framesOver(view, frames.length)}, first of ${prompts.length}: ${JSON.stringify(best.name)}`;
    return [
      view.score('clip.rank', 1 + other.filter((share) => share > own).length, 'rank', over),
      view.score('clip.margin', own - Math.max(0, ...other), 'softmax', over),
    ];
  },
});

function softmax(logits: readonly number[]): number[] {
  const most = Math.max(...logits);
  const powers = logits.map((logit) => Math.exp(logit - most));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}
