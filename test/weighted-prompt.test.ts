import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { loadStyle, type StylePrompt, saveStyle } from '../stages/artefacts/style.ts';
import { clipTargetReads } from '../stages/clip/check.ts';
import { openClip } from '../stages/clip/model.ts';
import { embedPrompt } from '../stages/clip/prompt-embeds.ts';
import { TEMPLATES } from '../stages/clip/templates.ts';
import { resolveWeightedPrompt } from '../stages/clip/weighted-prompt.ts';
import { stylizeOptions } from '../stages/stylize/stage.ts';
import { type Gpu, InputError } from '../wgsl/core/index.ts';
import { withGpu } from './helpers/gpu.ts';
import { near } from './helpers/vjp.ts';

const model = fileURLToPath(new URL('./data/clip-tiny/', import.meta.url));
const list = [
  { text: 'a robot', weight: 1 },
  { text: 'the gold', weight: 0.5 },
  { text: 'a sketch', weight: -0.25 },
];

const unit = (values: readonly number[]) => values.map((value) => value / Math.hypot(...values));

test('a prompt is a text, or texts with weights', async () => {
  assert.equal(await resolveWeightedPrompt('a robot'), {
    name: 'a robot',
    parts: [{ name: 'a robot', text: 'a robot', weight: 1 }],
  });
  assert.is((await resolveWeightedPrompt(list)).name, 'a robot + 0.5·the gold − 0.25·a sketch');
  const parse = (prompt: unknown) => stylizeOptions.safeParse({ prompt });
  assert.equal(parse([{ text: 'wood' }, list[2]]).data?.prompt, [{ text: 'wood', weight: 1 }, list[2]]);
  assert.not(parse([]).success);
  assert.not(parse([{ weight: 1 }]).success);
  // The key of a stage has the texts; the weights are options.
  const { texts } = await clipTargetReads({ prompt: list, model });
  assert.equal(texts, { prompt: 'a robot', 'prompt 2': 'the gold', 'prompt 3': 'a sketch' });
});

test('the embedding is the weighted sum of the unit embeddings, of unit length', () =>
  withGpu(async (gpu) => {
    const clip = await openClip(gpu, model);
    const embed = async (prompt: StylePrompt) => embedPrompt(clip, await resolveWeightedPrompt(prompt));
    const rows = await Promise.all(list.map(({ text }) => embed(text)));
    assert.equal(rows[0], await clip.embedTexts(['a robot']), 'one text is itself');
    const sum = Array.from(rows[0], (_, i) =>
      list.reduce((total, { weight }, k) => total + weight * rows[k][i], 0),
    );
    near(await embed(list), unit(sum), 1e-6, 'sum');
    near(
      await embed([{ text: 'a robot', weight: -2 }]),
      [...rows[0].map((value) => -value)],
      1e-6,
      'opposite',
    );
    // Two texts with one embedding.
    const parts = [list[0], { ...list[0], weight: -1 }].map((part) => ({ ...part, name: part.text }));
    const error = await embedPrompt(clip, { name: 'both', parts }).catch((reason: Error) => reason);
    assert.instance(error, InputError);
    assert.match((error as InputError).message, /"both" cancel each other/);
    clip.destroy();
  }));

test('weights that leave no text are refused without a model', async () => {
  const refusal = (...weights: number[]) =>
    resolveWeightedPrompt(weights.map((weight) => ({ text: 'a robot', weight }))).then(
      () => 'accepted',
      (error: Error) => `${error.constructor.name}: ${error.message}`,
    );
  assert.match(await refusal(1, -1), /^InputError: .*"a robot − a robot" cancel each other/);
  assert.match(await refusal(0), /^InputError: .*"0·a robot" cancel/);
  assert.match(await refusal(0.3, -0.1, -0.2), /^InputError: .*cancel/);
  assert.is(await refusal(-1), 'accepted');
  assert.is(await refusal(1, 0), 'accepted');
});

test('templates surround each text, and their unit embeddings are averaged', () =>
  withGpu(async (gpu) => {
    const clip = await openClip(gpu, model);
    const prompt = await resolveWeightedPrompt('a robot');
    assert.is(TEMPLATES.imagenet.length, 80);
    assert.is(new Set(TEMPLATES.imagenet).size, 80);
    const texts = TEMPLATES.imagenet.map((template) => template.replace('{}', 'a robot'));
    const sum = Array<number>(clip.dimensions).fill(0);
    for (let first = 0; first < texts.length; first += 20) {
      const embeds = await clip.embedTexts(texts.slice(first, first + 20));
      embeds.forEach((value, i) => {
        sum[i % clip.dimensions] += value;
      });
    }
    near(await embedPrompt(clip, prompt, 'imagenet'), unit(sum), 1e-6, 'mean of templates');
    clip.destroy();
  }));

test('the style keeps a list', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'style-'));
  const gpu = undefined as unknown as Gpu;
  await saveStyle(gpu, { prompt: list }, folder);
  assert.equal((await loadStyle(gpu, folder)).prompt, list);
  await rm(folder, { recursive: true });
});

test.run();
