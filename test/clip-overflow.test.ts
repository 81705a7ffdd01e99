/** Numbers of CLIP that overflow are an error, never a silent zero or a number in a file. */
import { cp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { openClip } from '../stages/clip/model.ts';
import { ClipObjective } from '../stages/clip/objective.ts';
import { PRECISIONS, type Precision } from '../stages/clip/precision.ts';
import { readSafetensors } from '../stages/clip/safetensors.ts';
import { ClipScorer } from '../stages/clip/scorer.ts';
import { stylize } from '../stages/stylize/stage.ts';
import { trainJointly } from '../stages/train/joint.ts';
import { train } from '../stages/train/train.ts';
import { openWithMatrices } from './helpers/emulated-matrices.ts';
import { withGpu } from './helpers/gpu.ts';
import { mixed, uniform } from './helpers/numbers.ts';
import { type FloatTensor, packTensors } from './helpers/safetensors.ts';
import { scratchFolder } from './helpers/scratch.ts';
import { throwsInput } from './helpers/throws.ts';
import { balls, ringDataset } from './helpers/tiny-scene.ts';

const tiny = fileURLToPath(new URL('./data/clip-tiny/', import.meta.url));
const gpu = await openWithMatrices();
const [width, height] = [40, 30];
const augment = { scale: [0.5, 1], rotate: 10, flip: true } as const;
const ADVICE = { f16: /set precision: f32/, f32: /weights are damaged or too large/ };

/** A copy of the tiny CLIP in which the tensors of a pattern are multiplied by a factor. */
async function scaled(pattern: RegExp, factor: number): Promise<string> {
  const { tensors } = await readSafetensors(join(tiny, 'model.safetensors'));
  const floats = [...tensors].filter(([, { data }]) => data instanceof Float32Array);
  const folder = scratchFolder();
  await cp(tiny, folder, { recursive: true });
  const changed = floats.map(([name, { shape, data }]): [string, FloatTensor] => [
    name,
    { shape, data: Float32Array.from(data, (value) => (pattern.test(name) ? value * factor : value)) },
  ]);
  assert.ok(changed.some(([name]) => pattern.test(name)));
  await writeFile(join(folder, 'model.safetensors'), packTensors(new Map(changed)));
  return folder;
}

/** Runs two steps of the objective and returns the first whose gradient was not finite. */
async function firstFault(folder: string, precision: Precision): Promise<number> {
  let found = 0;
  await withGpu(async (_, arena) => {
    const model = await openClip(gpu, folder, precision);
    const objective = await ClipObjective.create(gpu, model, { batch: 2, width, height, augment });
    const image = arena.upload('image', uniform(width * height * 4, 1, 0.2, 0.8), 'test');
    const gradient = arena.buffer('gradient', 16 * width * height);
    try {
      objective.setTarget(await model.embedTexts(['a robot']));
      for (const step of [0, 1]) {
        objective.setStep(1, step);
        gpu.run('test', (recorder) => objective.record(recorder, image, gradient));
      }
      [found] = await gpu.readWords(objective.nonFiniteStep, 'test', 1);
      if (found)
        await throwsInput(() => objective.check(found), /^.+: step 1: the gradient/, ADVICE[precision]);
      else objective.check(found);
    } finally {
      objective.destroy();
      model.destroy();
    }
  }, gpu);
  return found;
}

for (const precision of PRECISIONS) {
  test(`${precision}: a sound model is not reported`, async () => {
    assert.is(await firstFault(tiny, precision), 0);
  });

  for (const [what, pattern, factor] of [
    ['inputs of attention', /vision_model.*layer_norm1\.weight$/, 1e30],
    ['variances of tokens', /vision_model\.embeddings\.position_embedding/, 1e30],
    ['variances in a layer', /vision_model.*layers\.0\.mlp\.fc2\.(weight|bias)$/, 1e30],
    ['the length of the embedding', /visual_projection/, 1e30],
  ] as const) {
    test(`${precision}: ${what} that overflow are reported`, async () => {
      assert.is(await firstFault(await scaled(pattern, factor), precision), 1);
    });
  }
}

test('a score that is not finite is an error', () =>
  withGpu(async (_, arena) => {
    const model = await openClip(gpu, await scaled(/visual_projection/, 1e30), 'f32');
    const scorer = await ClipScorer.create(gpu, model);
    const color = arena.upload('color', uniform(width * height * 4, 1), 'test');
    const texts = await model.embedTexts(['a robot']);
    await throwsInput(
      () => scorer.compare([{ color, width, height }], texts),
      /^.+: picture 1: the cosine of the CLIP model is not finite/,
      ADVICE.f32,
    );
    scorer.destroy();
    model.destroy();
  }, gpu));

test('restyling and joint training stop, also if their last step is the first one', () =>
  withGpu(async (_, arena) => {
    const model = await scaled(/visual_projection/, 1e30);
    const gaussians = balls(arena, 'balls');
    const ring = ringDataset();
    const image = arena.upload('photo', mixed(40 * 40, 3), 'test');
    const dataset = { ...ring, views: ring.views.map((view) => ({ ...view, image })) };
    const target = { prompt: 'a robot', model, preset: 'paper' as const, crops: { count: 2 } };
    for (const steps of [1, 30]) {
      await throwsInput(
        () => stylize(gpu, { dataset, gaussians }, { ...target, precision: 'f32', steps }),
        /^.+: step 1: the gradient of the CLIP model is not finite/,
      );
      await throwsInput(
        () =>
          train(gpu, { dataset, gaussians }, { steps, clip: { ...target, precision: 'f32', mode: 'paper' } }),
        /^.+: step 1: the gradient of the CLIP model is not finite/,
      );
    }
  }, gpu));

for (const losses of [
  { clip: 0, directional: 1 },
  { clip: 0, patch: { count: 2 } },
  { clip: 0, content: 1 },
]) {
  const [, name] = Object.keys(losses);
  test(`restyling by the loss ${name} alone stops`, () =>
    withGpu(async (_, arena) => {
      const pattern = name === 'content' ? /vision_model.*position_embedding/ : /visual_projection/;
      const broken = await scaled(pattern, 1e30);
      const options = { prompt: 'a robot', model: broken, preset: 'paper' as const, crops: { count: 2 } };
      const inputs = { dataset: ringDataset(), gaussians: balls(arena, 'balls') };
      await throwsInput(
        () => stylize(gpu, inputs, { ...options, losses, precision: 'f32', steps: 2 }),
        /^.+: step 1: the gradient of the CLIP model is not finite/,
      );
    }, gpu));
}

test('joint training that keeps the scene stops', () =>
  withGpu(async (_, arena) => {
    const model = await scaled(/visual_projection/, 1e30);
    const image = arena.upload('photo', mixed(40 * 40, 3), 'test');
    const ring = ringDataset();
    const dataset = { ...ring, views: ring.views.map((view) => ({ ...view, image })) };
    const target = { prompt: 'a robot', model, preset: 'paper', precision: 'f32' } as const;
    const clip = { ...target, mode: 'balanced', steps: 2 } as const;
    await throwsInput(
      () => trainJointly(gpu, { dataset, gaussians: balls(arena, 'balls') }, { steps: 1, clip }),
      /^.+: step 1: the gradient of the CLIP model is not finite/,
    );
  }, gpu));

test.run();
