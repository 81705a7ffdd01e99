import { FromRgba8 } from '../../../wgsl/image/from-rgba8.ts';
import type { Frame } from '../../artefacts/frames.ts';
import { type ClipModel, openClip } from '../../clip/model.ts';
import { resolvePrompt } from '../../clip/prompts.ts';
import { ClipScorer } from '../../clip/scorer.ts';
import { countOf, type Metric, type MetricInput, mean, score } from './metric.ts';

/**
 * CLIP score: 100 times the cosine of a frame's embedding with the prompt's (Radford et al. 2021; without the factor 2.5 of
 * Hessel et al. 2021), mean over frames.
 */
export const clipMetric: Metric = {
  name: 'clip',
  summary: '100 × cosine similarity of the frames and the prompt',
  async measure(input) {
    const { gpu, scene, settings } = input;
    if (!scene.frames?.frames.length) return { skipped: 'no orbit stage rendered frames' };
    if (!settings.prompt) return { skipped: 'there is no prompt (score.prompt, or a stylize stage)' };
    const { frames, before } = scene.frames;
    const { name, text } = await resolvePrompt(settings.prompt);
    // In f32 everywhere, so that scores are comparable across adapters.
    const model = await openClip(gpu, settings.model, 'f32');
    try {
      const embedding = await model.embedTexts([text]);
      const over = (count: number) => `${countOf(count, 'frame')}, ${JSON.stringify(name)}, ${model.name}`;
      const now = mean(await cosines(input, model, frames, embedding));
      const scores = [score('clip', 100 * now, '100·cosine', over(frames.length))];
      if (before.length) {
        const then = mean(await cosines(input, model, before, embedding));
        scores.push(score('clip.before', 100 * then, '100·cosine', over(before.length)));
      }
      return scores;
    } finally {
      model.destroy();
    }
  },
};

async function cosines(
  { gpu }: MetricInput,
  model: ClipModel,
  frames: Frame[],
  embedding: Float32Array,
): Promise<number[]> {
  const { width, height } = frames[0].camera;
  const fromRgba8 = await FromRgba8.create(gpu, width * height);
  const scorer = await ClipScorer.create(gpu, model);
  const arena = gpu.arena('score/clip');
  try {
    const color = arena.buffer('picture', 16 * width * height);
    const values: number[] = [];
    for (const frame of frames) {
      const bound = fromRgba8.bind(frame.color, color);
      gpu.run('score/clip', (recorder) => fromRgba8.record(recorder, bound));
      values.push(...(await scorer.cosines([{ color, width, height }], embedding)));
    }
    return values;
  } finally {
    arena.destroy();
    scorer.destroy();
  }
}
