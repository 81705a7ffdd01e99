import { FromRgba8 } from '../../../wgsl/image/from-rgba8.ts';
import type { Frame } from '../../artefacts/frames.ts';
import type { Score } from '../../artefacts/scores.ts';
import { type ClipModel, openClip } from '../../clip/model.ts';
import { embedPrompt } from '../../clip/prompt-embeds.ts';
import type { Prompt } from '../../clip/prompts.ts';
import { resolveModel } from '../../clip/resolve.ts';
import { ClipScorer } from '../../clip/scorer.ts';
import type { WeightedPrompt } from '../../clip/weighted-prompt.ts';
import { countOf, type Metric, type MetricInput, score, UNORDERED } from './metric.ts';

/** One frame as a model sees it. */
export interface EmbeddedFrame {
  /** The embedding, [D] of unit length. */
  embedding: Float64Array;
  /** Cosine with the prompt in [−1, 1], of the GPU in f32; 0 without a prompt. */
  cosine: number;
}

/** What a metric of CLIP measures: the frames as one model sees them. */
export interface ClipView {
  /** For texts: the weights of its image encoder are freed. */
  model: ClipModel;
  prompt: WeightedPrompt;
  frames: readonly EmbeddedFrame[];
  /** The same cameras before restyling; empty if nothing restyled them. */
  before: readonly EmbeddedFrame[];
  /** The prompts of `score.among` beside the prompt. */
  among: readonly Prompt[];
  /** A score with the name of its model: `clip.x` is `judge.x` for the judge, and `clip` is `judge.clip`. */
  score(name: string, value: number, unit: string, over: string): Score;
}

interface ClipMetric {
  name: string;
  summary: string;
  meaning: string;
  /** Inputs besides frames, without which it is skipped. */
  needs: { prompt?: true; before?: true; pairs?: true; among?: true };
  measure(view: ClipView): Promise<Score[]>;
}

const NO_PROMPT: WeightedPrompt = { name: '', parts: [] };

/** A metric of a CLIP model's embeddings: measured for `score.model` and, under names of its own, for `score.judge`. */
export function clipMetric({ name, summary, meaning, needs, measure }: ClipMetric): Metric {
  return {
    name,
    summary,
    meaning,
    async measure(input) {
      const { scene, settings } = input;
      const { frames, before } = scene.frames ?? { frames: [], before: [] };
      if (!frames.length) return { skipped: 'no orbit stage rendered frames' };
      if (needs.prompt && !settings.prompt)
        return { skipped: 'there is no prompt (score.prompt, or a stylize stage)' };
      if (needs.before && !before.length)
        return { skipped: 'it compares with the frames before restyling, and nothing was restyled' };
      if (needs.pairs && scene.frames?.unordered) return { skipped: UNORDERED };
      if (needs.pairs && frames.length < 2)
        return { skipped: 'it compares neighbouring frames, and there is one frame' };
      if (needs.among && !settings.among.length)
        return { skipped: 'there are no other prompts to tell the prompt from (score.among)' };
      const scores: Score[] = [];
      for (const role of ['clip', 'judge'] as const) {
        if (role === 'judge' && settings.judge === undefined) continue;
        const directory = role === 'judge' ? settings.judge : settings.model;
        const { folder } = await resolveModel(directory);
        const view = await input.share(`clip ${folder}`, () => viewOf(input, directory));
        const renamed = role === 'clip' ? score : scoreOfJudge;
        scores.push(...(await measure({ ...view, score: renamed })));
      }
      return scores;
    },
  };
}

/** `36 frames, "wood", demo-clip`. */
export function framesOver({ prompt, model }: ClipView, count: number): string {
  return `${countOf(count, 'frame')}, ${JSON.stringify(prompt.name)}, ${model.name}`;
}

/** Σ a·b. */
export function dot(a: Float64Array, b: ArrayLike<number>): number {
  return a.reduce((sum, value, i) => sum + value * b[i], 0);
}

/** a − b. */
export function difference(a: ArrayLike<number>, b: ArrayLike<number>): Float64Array {
  return Float64Array.from(a, (value, i) => value - b[i]);
}

/** The cosine of two directions; 0 if either has no length, as where restyling left a frame as it was. */
export function cosine(a: Float64Array, b: Float64Array): number {
  const lengths = Math.sqrt(dot(a, a) * dot(b, b));
  return lengths > 0 ? dot(a, b) / lengths : 0;
}

const scoreOfJudge: typeof score = (name, ...rest) =>
  score(
    name.startsWith('clip.') && name !== 'clip.before' ? name.replace('clip', 'judge') : `judge.${name}`,
    ...rest,
  );

async function viewOf(input: MetricInput, directory: string | undefined): Promise<Omit<ClipView, 'score'>> {
  const { gpu, scene, settings } = input;
  const { frames, before } = scene.frames!;
  const { prompt = NO_PROMPT, among } = settings;
  // In f32 everywhere, so that scores are comparable across adapters.
  const model = await openClip(gpu, directory, 'f32');
  try {
    const target = settings.prompt ? await embedPrompt(model, prompt) : new Float32Array(model.dimensions);
    const embedded = await embedFrames(input, model, [...frames, ...before], target);
    return {
      model,
      prompt,
      frames: embedded.slice(0, frames.length),
      before: embedded.slice(frames.length),
      among,
    };
  } finally {
    model.destroy();
  }
}

async function embedFrames(
  { gpu }: MetricInput,
  model: ClipModel,
  frames: readonly Frame[],
  target: Float32Array,
): Promise<EmbeddedFrame[]> {
  const { width, height } = frames[0].camera;
  const fromRgba8 = await FromRgba8.create(gpu, width * height);
  const scorer = await ClipScorer.create(gpu, model);
  const arena = gpu.arena('score/clip');
  try {
    const color = arena.buffer('picture', 16 * width * height);
    const embedded: EmbeddedFrame[] = [];
    for (const frame of frames) {
      const bound = fromRgba8.bind(frame.color, color);
      gpu.run('score/clip', (recorder) => fromRgba8.record(recorder, bound));
      const { embeds, cosines } = await scorer.compare([{ color, width, height }], target);
      const length = Math.hypot(...embeds);
      embedded.push({
        embedding: Float64Array.from(embeds, (value) => value / length),
        cosine: cosines[0],
      });
    }
    return embedded;
  } finally {
    arena.destroy();
    scorer.destroy();
  }
}
