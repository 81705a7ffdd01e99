import { cp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type ClipModel, openClip } from '../stages/clip/model.ts';
import { ClipScorer } from '../stages/clip/scorer.ts';
import { middleLayer } from '../stages/losses/base-embeds.ts';
import { chooseLosses, type LossesInput, styleTarget } from '../stages/losses/index.ts';
import { checkStyleTarget, openStyleTarget } from '../stages/losses/target.ts';
import type { ObjectiveMetrics } from '../stages/optimizer/objectives.ts';
import type { RegionOption } from '../stages/regions/options.ts';
import { type Report, silent } from '../stages/stage.ts';
import { type Arena, type Gpu, InputError } from '../wgsl/core/index.ts';
import { SplatRenderer } from '../wgsl/splat/renderer.ts';
import { withGpu } from './helpers/gpu.ts';
import { uniform } from './helpers/numbers.ts';
import { recordingReport } from './helpers/report.ts';
import { scratchFolder } from './helpers/scratch.ts';
import { balls, ringDataset } from './helpers/tiny-scene.ts';
import { directionLosses } from './reference/direction-loss.ts';

const model = fileURLToPath(new URL('./data/clip-tiny/', import.meta.url));
const crops = { count: 3, scale: [0.5, 1] as [number, number], rotate: 10, flip: true };
/** The whole of a square view. */
const whole = { count: 1, scale: [1, 1] as [number, number], rotate: 0, flip: false };
const target = { prompt: 'a robot', model, preset: 'paper' as const };
const SEED = 9;
const STEP = 3;
const [, view] = ringDataset().views;
const { width, height } = view.camera;

/** Losses and gradient of a picture at one step. */
async function openLosses(
  gpu: Gpu,
  arena: Arena,
  losses: LossesInput,
  { weight = 1, crops: given = crops, model = target.model, report = silent as Report } = {},
) {
  const gaussians = balls(arena, 'base');
  const { views } = ringDataset();
  const base = { gaussians, views, background: 'white' as const };
  const options = { ...target, model, crops: given, losses };
  const style = await openStyleTarget(gpu, options, { seed: SEED, base }, report);
  const color = arena.buffer('color', 16 * width * height);
  const gradient = arena.buffer('gradient', 16 * width * height);
  const objective = await style.objective(weight)(gpu, arena, { width, height, color, gradient });
  const metrics = [objective.metrics].flat() as ObjectiveMetrics[];
  const run = async (pixels?: Float32Array) => {
    if (pixels) gpu.write(color, pixels, 'test');
    const live = gpu.liveBytes;
    objective.prepare(STEP, views[1], [0, 0, 0]);
    gpu.run('test', (recorder) => {
      recorder.clear(gradient);
      objective.record(recorder, views[1]);
    });
    assert.is(gpu.liveBytes, live, 'a step allocates nothing');
    const values: Record<string, number> = {};
    for (const { buffer, words, read } of metrics) {
      Object.assign(values, read(await gpu.readFloats(buffer, 'test', words)));
    }
    return values;
  };
  return { gaussians, style, color, gradient, run };
}

const GREEN = { sphere: { center: [0, -0.6, 0], radius: 0.3 }, soft: 0.1, not: false } satisfies RegionOption;

const SETS: [string, LossesInput][] = [
  ['clip on the view', { clip: { weight: 2, on: 'view' } }],
  ['directional from the view', { clip: 0, directional: 2 }],
  ['directional from the crop', { clip: 0, directional: { weight: 2, from: 'crop' } }],
  ['patch', { clip: 0, patch: { weight: 3, count: 5, threshold: 0 } }],
  ['patch alone, without perspective', { clip: 0, patch: { count: 3, perspective: 0, threshold: 0 } }],
  ['content', { clip: 0, content: 4 }],
  ['photo in a region', { clip: 0, photo: { weight: 3, keep: GREEN } }],
  [
    'all',
    {
      clip: 1,
      directional: { weight: 2, source: 'a sketch' },
      patch: { count: 4, threshold: 0.9 },
      content: 1,
    },
  ],
];

for (const [name, losses] of SETS) {
  test(`the gradient is the slope of the weighted sum, and repeats to the byte: ${name}`, () =>
    withGpu(async (gpu, arena) => {
      const weight = 0.5;
      const { run, gradient, style } = await openLosses(gpu, arena, losses, { weight });
      const chosen = chooseLosses('paper', losses);
      const loss = async (pixels: Float32Array) => {
        const values = await run(pixels);
        // The progress line shows 100 times the cosine.
        const unweighted = { ...values, clip: -values.clip / 100 } as Record<string, number>;
        const terms = chosen.map(({ kind, options }) => options.weight * unweighted[kind.name]);
        return weight * terms.reduce((sum, term) => sum + term, 0);
      };
      const pixels = uniform(4 * width * height, 1, 0.2, 0.8);
      await loss(pixels);
      const found = await gpu.readFloats(gradient, 'test');
      const norm = Math.hypot(...found);
      const moved = (by: number) => pixels.map((value, i) => value + (by * found[i]) / norm);
      const slope = ((await loss(moved(0.02))) - (await loss(moved(-0.02)))) / 0.04;
      assert.ok(norm > 1e-3);
      assert.ok(Math.abs(slope / norm - 1) < 0.01, `${slope} by differences, ${norm} by the gradient`);
      await loss(pixels);
      assert.equal(await gpu.readFloats(gradient, 'test'), found);
      style.destroy();
    }));
}

test('paper-verbatim is the cosine of the whole view and the prompt', () =>
  withGpu(async (gpu, arena) => {
    const [{ kind, options }] = chooseLosses('paper-verbatim', {});
    const { run, color, style } = await openLosses(gpu, arena, { [kind.name]: options });
    const picture = uniform(4 * width * height, 2, 0, 1);
    const { clip: found } = await run(picture);
    const clip = await openClip(gpu, model);
    const scorer = await ClipScorer.create(gpu, clip);
    const [image, prompt] = [
      await scorer.embedImages([{ color, width, height }]),
      await clip.embedTexts(['a robot']),
    ];
    const dot = image.reduce((sum, value, i) => sum + value * prompt[i], 0);
    const expected = (100 * dot) / (Math.hypot(...image) * Math.hypot(...prompt));
    assert.ok(Math.abs(found - expected) < 0.01, `${found}, expected ${expected}`);
    scorer.destroy();
    clip.destroy();
    style.destroy();
  }));

test('the directional loss compares a crop with the whole view of the base', () =>
  withGpu(async (gpu, arena) => {
    const losses = { clip: 0, directional: { source: 'a sketch' } };
    const { run, color, gaussians, style } = await openLosses(gpu, arena, losses, { crops: whole });
    const clip = await openClip(gpu, model);
    const scorer = await ClipScorer.create(gpu, clip);
    const renderer = await SplatRenderer.create(gpu, 'test/renderer');
    await renderer.render(gaussians, view.camera, { color }, { background: [1, 1, 1] });
    const before = await scorer.embedImages([{ color, width, height }]);
    const unchanged = await run();
    assert.ok(Math.abs(unchanged.directional - 1) < 1e-4, `${unchanged.directional} without a change`);
    const changed = await run(uniform(4 * width * height, 2, 0, 1));
    const after = await scorer.embedImages([{ color, width, height }]);
    const prompt = await clip.embedTexts(['a robot']);
    const source = await clip.embedTexts(['a sketch']);
    const direction = prompt.map((value, i) => value - source[i]);
    const length = Math.hypot(...direction);
    const unit = direction.map((value) => value / length);
    const [expected] = directionLosses(after, before, unit);
    assert.ok(Math.abs(expected - 1) > 0.05, 'the change is along the direction or against it');
    assert.ok(
      Math.abs(changed.directional - expected) < 1e-4,
      `${changed.directional}, expected ${expected}`,
    );
    renderer.destroy();
    scorer.destroy();
    clip.destroy();
    style.destroy();
  }));

test('from: crop, the base is its render of the same crop', () =>
  withGpu(async (gpu, arena) => {
    const losses: LossesInput = { clip: 0, directional: { from: 'crop' } };
    const { run, color, gaussians, style } = await openLosses(gpu, arena, losses);
    const renderer = await SplatRenderer.create(gpu, 'test/renderer');
    await renderer.render(gaussians, view.camera, { color }, { background: [1, 1, 1] });
    // The base is kept in half precision.
    const { directional } = await run();
    assert.ok(Math.abs(directional - 1) < 0.02, `${directional} without a change`);
    renderer.destroy();
    style.destroy();
  }));

test('the content loss is 0 where the picture is the base, whatever the other crops are', () =>
  withGpu(async (gpu, arena) => {
    const { run, color, gradient, gaussians, style } = await openLosses(gpu, arena, { clip: 0, content: 1 });
    const renderer = await SplatRenderer.create(gpu, 'test/renderer');
    await renderer.render(gaussians, view.camera, { color }, { background: [1, 1, 1] });
    const unchanged = await run();
    assert.ok(Math.abs(unchanged.content) < 1e-5, `${unchanged.content} without a change`);
    const still = Math.hypot(...(await gpu.readFloats(gradient, 'test')));
    const changed = await run(uniform(4 * width * height, 2, 0, 1));
    const moving = Math.hypot(...(await gpu.readFloats(gradient, 'test')));
    assert.ok(changed.content > 0.01 && changed.content < 2, `${changed.content} with noise`);
    assert.ok(still < 1e-3 * moving, 'the base is a minimum');
    renderer.destroy();
    style.destroy();
  }));

test('a model of one layer has no content loss', () => {
  const one = { towers: { vision: { layers: 1 } }, directory: 'folder' } as unknown as ClipModel;
  assert.throws(() => middleLayer(one), /content needs an image encoder of at least 2 layers/);
  const twelve = { towers: { vision: { layers: 12 } }, directory: 'folder' } as unknown as ClipModel;
  assert.is(middleLayer(twelve), 6);
});

test('losses change the preset; a weight of 0 removes one; settings keep the weight of the preset', () => {
  const chosen = (losses: LossesInput) =>
    chooseLosses('paper', losses).map(({ kind, options }) => [kind.name, options] as const);
  assert.equal(chosen({}), [['clip', { weight: 1, on: 'crops' }]]);
  assert.equal(chosen({ clip: 0, directional: 3 }), [
    ['directional', { weight: 3, source: 'a photo', from: 'view' }],
  ]);
  const weights = (isDemo: boolean) =>
    chooseLosses('wall', {}, isDemo).map(({ kind, options }) => [kind.name, options.weight]);
  assert.equal(Object.fromEntries(weights(false)).patch, 90);
  assert.equal(weights(true), [
    ['clip', 1],
    ['structure', 0.6],
  ]);
  const [, [name, options]] = chosen({ patch: { count: 7 } });
  assert.equal([name, options.weight, (options as { count?: number }).count], ['patch', 1, 7]);
  assert.throws(
    () => chosen({ clip: 0 }),
    (error: Error) => error instanceof InputError && /no loss is left/.test(error.message),
  );
});

test('losses that cannot be computed are refused before any work', async () => {
  const refusal = async (losses: LossesInput, hasBase: boolean) => {
    const options = { ...target, crops, losses };
    const error = await checkStyleTarget(options, hasBase).catch((reason: Error) => reason);
    assert.instance(error, InputError);
    return (error as InputError).message;
  };
  assert.match(
    await refusal({ directional: 1 }, false),
    /directional compares .* give it the weight 0 in `losses`, or set mode: balanced/,
  );
  assert.match(
    await refusal({ patch: { scale: [0.3, 0.1] } }, true),
    /patch\.scale is \[smallest, largest\]/,
  );
  assert.match(await refusal({ patch: { source: 'a robot' } }, true), /source "a robot" are one text/);
  const { losses } = styleTarget;
  assert.not(losses.safeParse({ directional: { source: ' ' } }).success, 'an empty source');
  assert.match(await refusal({ patch: { count: 254 } }, true), /257 crops a step \(crops 3, patches 254\)/);
});

test('a source that is the prompt has no direction; its unknown words are reported as those of the prompt', () =>
  withGpu(async (gpu, arena) => {
    const losses = { directional: { source: 'a robot' } };
    const folder = scratchFolder();
    await cp(model, folder, { recursive: true });
    await writeFile(join(folder, 'words.json'), JSON.stringify({ words: ['a'] }));
    const report = recordingReport();
    const opened = openLosses(gpu, arena, losses, { model: folder, report });
    const error = await opened.catch((reason: Error) => reason);
    assert.is(report.warnings.length, 2);
    assert.match(report.warnings[0], /these words of the prompt: robot\./);
    assert.match(report.warnings[1], /these words of the source: robot\./);
    assert.instance(error, InputError);
    assert.match((error as Error).message, /source "a robot" are one text/);
  }));

test.run();
