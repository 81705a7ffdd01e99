import { resolve } from 'node:path';
import * as z from 'zod';
import type { Gpu } from '../../wgsl/core/index.ts';
import { backgroundColor, backgroundOption } from '../artefacts/background.ts';
import { formatScores, mergeScores, type Score, type Scores } from '../artefacts/scores.ts';
import { checkClip, checkClipTarget, clipReads, clipTargetReads } from '../clip/check.ts';
import { clipTarget, MODEL, textPrompt } from '../clip/options.ts';
import { type Prompt, resolvePrompt, warnOfPrompt } from '../clip/prompts.ts';
import { resolveModel } from '../clip/resolve.ts';
import { resolveWeightedPrompt, type WeightedPrompt } from '../clip/weighted-prompt.ts';
import { defineStage, type StageSettings, silent } from '../stage.ts';
import { isClipMetric, METRIC_NAMES, METRICS } from './metrics/index.ts';
import type { Metric, MetricInput, ScoreScene } from './metrics/metric.ts';

export type { ScoreScene } from './metrics/metric.ts';

export const scoreOptions = z.strictObject({
  metrics: z
    .array(z.enum(METRIC_NAMES))
    .min(1)
    .default([...METRIC_NAMES])
    .describe(
      `Metrics to compute; ${Object.values(METRICS)
        .map(({ name, summary }) => `${name}: ${summary}`)
        .join('; ')}. A metric whose input is missing is skipped with a note`,
    ),
  prompt: clipTarget.prompt
    .optional()
    .describe(
      "Prompt of the clip metrics: text, or the name of a prompt in the library. Default: stylize's prompt",
    ),
  model: clipTarget.model.describe(
    `Model of the clip metrics: ${MODEL}, the small model of the package. Default: stylize's model, or demo`,
  ),
  judge: clipTarget.model.describe(
    `A second model that did not steer the restyling: ${MODEL}. Each clip metric is also measured by it, as judge.…`,
  ),
  among: z
    .array(textPrompt)
    .min(1)
    .optional()
    .describe('Prompts among which clip.rank ranks the prompt: texts, or names in the library'),
  background: backgroundOption('Background colour on held-out views'),
});

/** Options of score as a caller gives them: docs/options.md has units and defaults. */
export type ScoreInput = z.input<typeof scoreOptions>;

/** The stage: scores of the splat and its turntable, in `scores.json`. */
export const scoreStage = defineStage({
  name: 'score',
  module: import.meta.url,
  summary: 'Measures quality, CLIP scores, view consistency and structure into scores.json',
  options: scoreOptions,
  needs: ['dataset', 'gaussians'],
  uses: ['base', 'style', 'exposures', 'frames', 'scores'],
  gives: ['scores'],
  async reads({ metrics, prompt, model, judge, among = [] }) {
    if (!metrics.some(isClipMetric)) return {};
    // If the prompt and model of the style are used, they are part of the key of the stage that produced it.
    const steering = await (prompt === undefined ? clipReads(model) : clipTargetReads({ prompt, model }));
    const judging = judge === undefined ? {} : await clipReads(judge);
    const texts = await Promise.all(among.map(async (name) => (await resolvePrompt(name)).text));
    // The scores contain the names of the models.
    const name = async (given?: string) => (given === undefined ? '' : (await resolveModel(given)).name);
    return {
      files: [...(steering.files ?? []), ...(judging.files ?? [])],
      texts: {
        ...judging.texts,
        ...steering.texts,
        ...(model && { 'model name': await name(model) }),
        ...(judge && { 'judge name': await name(judge) }),
        ...Object.fromEntries(texts.map((text, i) => [`among ${i + 1}`, text])),
      },
    };
  },
  async preflight({ metrics, prompt, model, judge, among = [] }) {
    if (!metrics.some(isClipMetric)) return;
    if (prompt !== undefined) await checkClipTarget({ prompt, model });
    else if (model !== undefined) await checkClip(model);
    if (judge !== undefined) await checkClip(judge);
    for (const name of among) await resolvePrompt(name);
  },
  run: async (...args) => ({ scores: await score(...args) }),
});

/** Scores a scene. Only numbers are read back, and with `records` the held-out views, which
 * it saves small. A metric whose input is missing is skipped with a note. */
export async function score(
  gpu: Gpu,
  scene: ScoreScene,
  given: ScoreInput = {},
  { report = silent, output, records }: StageSettings = {},
): Promise<Scores> {
  const { metrics, among, judge, background, ...own } = scoreOptions.parse(given);
  const hasClip = metrics.some(isClipMetric);
  const target = own.prompt ?? scene.style?.prompt;
  const prompt = hasClip && target !== undefined ? await resolveWeightedPrompt(target) : undefined;
  // The style's model also applies to another prompt without a model.
  const model = own.model ?? scene.style?.model;
  const shared = new Map<string, Promise<unknown>>();
  const input: MetricInput = {
    gpu,
    scene,
    settings: {
      prompt,
      model,
      judge,
      among: await otherPrompts(among, prompt),
      background: backgroundColor(background),
    },
    records,
    share<Value>(key: string, make: () => Promise<Value>) {
      let value = shared.get(key) as Promise<Value> | undefined;
      if (!value) shared.set(key, (value = make()));
      return value;
    },
  };
  const folderOf = async (name?: string) => resolve((await resolveModel(name)).folder);
  // The stage that produced the style has already warned about its prompt.
  if (prompt && own.prompt !== undefined)
    for (const part of prompt.parts) await warnOfPrompt(part, await folderOf(model), report);
  if (hasClip && judge !== undefined && (await folderOf(judge)) === (await folderOf(model)))
    report.warn('score.judge is the model itself, so its scores are no second opinion');
  if (among?.length && !metrics.includes('clip.rank'))
    report.warn('score.among has no effect: the metrics lack clip.rank, which uses it');
  if (judge !== undefined && !hasClip) report.warn('score.judge has no effect: no CLIP metric is measured');
  const names = METRIC_NAMES.filter((name) => metrics.includes(name));
  const scores: Score[] = [];
  for (const [i, name] of names.entries()) {
    const metric: Metric = METRICS[name];
    const measured = await metric.measure(input);
    if ('skipped' in measured) report.note(`${name} is skipped: ${measured.skipped}`);
    else scores.push(...measured);
    report.progress({ step: i + 1, steps: names.length });
  }
  await gpu.settle();
  for (const { name, value, unit, over } of scores) report.note(`${name} ${value} (${unit}) over ${over}`);
  const all = mergeScores(scene.scores, { scores });
  await output?.write('scores.json', formatScores(all));
  return all;
}

/** The prompts of `score.among`, each text once and without the prompt. */
async function otherPrompts(among: readonly string[] = [], prompt?: WeightedPrompt): Promise<Prompt[]> {
  const [first, second] = prompt?.parts ?? [];
  const own = first && !second && first.weight > 0 ? first.text : undefined;
  const others = new Map<string, Prompt>();
  for (const name of among) {
    const other = await resolvePrompt(name);
    if (other.text !== own && !others.has(other.text)) others.set(other.text, other);
  }
  return [...others.values()];
}
