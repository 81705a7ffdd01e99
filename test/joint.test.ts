/** Joint optimisation of mode `balanced`: two splats from one run, the photographs' own being that of training alone. */
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Dataset } from '../stages/artefacts/dataset.ts';
import { releaseGaussians } from '../stages/artefacts/gaussians.ts';
import { type SavedCheckpoint, Stopped } from '../stages/checkpoints.ts';
import { type Progress, type StageSettings, silent } from '../stages/stage.ts';
import { type TrainInput, trainOptions } from '../stages/train/options.ts';
import { train, trainJointly } from '../stages/train/stage.ts';
import type { TrainInputs } from '../stages/train/train.ts';
import { type Arena, type Gpu, InputError } from '../wgsl/core/index.ts';
import { bytesOf, differences, MemoryStore, startOf, stoppingAt, storeOf } from './helpers/checkpoints.ts';
import { withGpu } from './helpers/gpu.ts';
import { mixed } from './helpers/numbers.ts';
import { recordingReport } from './helpers/report.ts';
import { ringDataset } from './helpers/tiny-scene.ts';

const model = fileURLToPath(new URL('./data/clip-tiny', import.meta.url));
const STEPS = 8;
const STYLE_STEPS = 6;
const options: TrainInput = {
  steps: STEPS,
  cap: 150,
  background: 'random',
  budget: { refineStart: 0, refineEvery: 3, refineUntil: 1 },
};
const clip = {
  prompt: 'the robot',
  model,
  preset: 'paper' as const,
  steps: STYLE_STEPS,
  crops: { count: 2 },
};
const REGION = { sphere: { center: [0, 0, 0], radius: 0.8 } };
const SEED = 7;

function photographs(arena: Arena): Dataset {
  const dataset = ringDataset();
  dataset.views.forEach((view, i) => {
    const colors = mixed(1600, i).map((word) => 0xff000000 | word);
    view.image = arena.upload(view.name, colors, 'test');
  });
  return dataset;
}

const inputsOf = (arena: Arena): TrainInputs => ({ dataset: photographs(arena), gaussians: startOf(arena) });

/** The bytes of both splats. */
async function joint(
  gpu: Gpu,
  inputs: TrainInputs,
  term: object = {},
  settings: StageSettings = {},
  background = options.background,
) {
  const given = { ...options, background, clip: { ...clip, ...term } };
  const splats = await trainJointly(gpu, inputs, given, { seed: SEED, ...settings });
  const [style, base] = [await bytesOf(gpu, splats.gaussians), await bytesOf(gpu, splats.base)];
  releaseGaussians(splats.gaussians);
  releaseGaussians(splats.base);
  return { style, base };
}

test('the photographs’ splat has the bytes of training alone; the styled one differs in SH alone', () =>
  withGpu(async (gpu, arena) => {
    const inputs = inputsOf(arena);
    const alone = await train(gpu, inputs, options, { seed: SEED });
    const expected = await bytesOf(gpu, alone);
    releaseGaussians(alone);
    const live = gpu.liveBytes;
    const { style, base } = await joint(gpu, inputs);
    assert.equal(differences(base, expected), []);
    assert.equal(differences(style, expected), ['sh']);
    assert.is(gpu.liveBytes, live, 'all buffers are freed');
    assert.equal(differences((await joint(gpu, inputs)).style, style), [], 'the same bytes again');
  }));

test('progress covers both loops in one count', () =>
  withGpu(async (gpu, arena) => {
    const inputs = inputsOf(arena);
    const report = recordingReport();
    await joint(gpu, inputs, {}, { report });
    const all = Array.from({ length: STEPS + STYLE_STEPS + 1 }, (_, i) => i);
    assert.equal([...new Set(report.steps)], all);
    assert.equal(
      report.steps,
      report.steps.toSorted((a, b) => a - b),
      'never backwards',
    );
  }));

test('it resumes in either loop to the same bytes, with losses of any kind', () =>
  withGpu(async (gpu, arena) => {
    const term = { losses: { structure: 1, content: 1, directional: 1, photo: { keep: REGION } } };
    const inputs = inputsOf(arena);
    const expected = await joint(gpu, inputs, term);
    const saved: SavedCheckpoint[] = [];
    for (const stop of [3, STEPS + 2]) {
      const store = new MemoryStore();
      const live = gpu.liveBytes;
      const error = await joint(gpu, inputs, term, {
        checkpoints: store,
        report: stoppingAt(stop, store),
      }).catch((error: Error) => error);
      assert.instance(error, Stopped);
      assert.equal(
        store.saved.map(({ step }) => step),
        [stop],
      );
      saved.push(...store.saved);
      assert.is(gpu.liveBytes, live, 'all buffers are freed');
      const report = recordingReport();
      const resumed = await joint(gpu, inputs, term, { checkpoints: storeOf(store.saved[0]), report });
      for (const part of ['style', 'base'] as const) {
        assert.equal(differences(resumed[part], expected[part]), [], `${part}, stopped at ${stop}`);
      }
      assert.is(report.steps[0], stop);
    }
    const [, inStyle] = saved;
    for (const name of ['base/sh', 'sh', 'sh/m', 'means']) {
      const tensors = { ...inStyle.tensors, [name]: new Uint8Array(inStyle.tensors[name].length) };
      const { style, base } = await joint(gpu, inputs, term, {
        checkpoints: storeOf({ ...inStyle, tensors }),
      });
      const changed = [...differences(style, expected.style), ...differences(base, expected.base)];
      assert.ok(changed.length, `${name} makes no difference`);
    }
    const other = { ...inStyle, numbers: { ...inStyle.numbers, steps: 3 } };
    const refusal = await joint(gpu, inputs, term, { checkpoints: storeOf(other) }).catch(
      (error: Error) => error,
    );
    assert.match(String(refusal), /belongs to another training: its steps is 3, expected 6/);
  }));

test('losses that need the splat before restyling compare with that of the photographs', () =>
  withGpu(async (gpu, arena) => {
    const inputs = inputsOf(arena);
    const losses = { structure: 1, content: 1, directional: { from: 'crop' } };
    const after = async (term: object) => {
      let metrics: Record<string, number> = {};
      const progress = ({ metrics: now }: Progress) => void (metrics = { ...metrics, ...now });
      return { ...(await joint(gpu, inputs, term, { report: { ...silent, progress } }, 'white')), metrics };
    };
    // In its first step, the style's SH are those of the photographs.
    const first = await after({ losses, steps: 1 });
    assert.ok(first.metrics.structure < 1e-6 && first.metrics.content < 1e-6, JSON.stringify(first.metrics));
    assert.ok(Math.abs(first.metrics.directional - 1) < 0.02, JSON.stringify(first.metrics));
    const later = await after({ losses, rate: 0.2 });
    for (const name of ['structure', 'content', 'directional']) {
      const [was, is] = [first.metrics[name], later.metrics[name]];
      assert.ok(Math.abs(is - was) > 1e-4, `${name}: ${was}, then ${is}`);
    }
    const without = await after({ rate: 0.2 });
    assert.equal(differences(later.base, without.base), [], 'the losses leave the photographs’ splat alone');
    assert.equal(differences(later.style, without.style), ['sh']);
  }));

test('the weight is the share of the prompt: at 0 the prompt has no effect', () =>
  withGpu(async (gpu, arena) => {
    const inputs = inputsOf(arena);
    const [none, alsoNone] = [
      await joint(gpu, inputs, { weight: 0 }),
      await joint(gpu, inputs, { weight: 0, prompt: 'a red ball' }),
    ];
    assert.equal(differences(none.style, alsoNone.style), []);
    const some = await joint(gpu, inputs, { weight: 1 });
    assert.equal(differences(some.style, none.style), ['sh']);
    const tinted = await joint(gpu, inputs, { weight: 0, tint: 'auto' });
    assert.equal(differences(tinted.style, none.style), [], 'no tint either');
  }));

test('the style starts from a tint, the photographs’ splat does not; it resumes without another search', () =>
  withGpu(async (gpu, arena) => {
    const inputs = inputsOf(arena);
    const [plain, report] = [await joint(gpu, inputs), recordingReport()];
    const whole = await joint(gpu, inputs, { tint: 'auto' }, { report });
    const searches = ({ notes }: typeof report) => notes.filter((text) => text.startsWith('tint: ')).length;
    assert.is(searches(report), 1);
    assert.equal(differences(whole.base, plain.base), []);
    assert.equal(differences(whole.style, plain.style), ['sh']);
    const store = new MemoryStore();
    const stopped = { checkpoints: store, report: stoppingAt(STEPS + 3, store) };
    const error = await joint(gpu, inputs, { tint: 'auto' }, stopped).catch((error: Error) => error);
    assert.instance(error, Stopped);
    const again = recordingReport();
    const saved = storeOf(store.saved[store.saved.length - 1]);
    const resumed = await joint(gpu, inputs, { tint: 'auto' }, { checkpoints: saved, report: again });
    assert.equal(differences(resumed.style, whole.style), []);
    assert.is(searches(again), 0);
  }));

test('each function refuses the other’s mode', () =>
  withGpu(async (gpu, arena) => {
    const inputs = inputsOf(arena);
    const refusal = async (work: Promise<unknown>) => {
      const error = await work.catch((error: Error) => error);
      assert.instance(error, InputError);
      return String(error);
    };
    assert.match(await refusal(train(gpu, inputs, { ...options, clip })), /call trainJointly/);
    const { steps: _, ...term } = clip;
    const paper = { ...options, clip: { ...term, mode: 'paper' as const } };
    assert.match(await refusal(trainJointly(gpu, inputs, paper)), /needs clip, with mode balanced/);
    assert.match(await refusal(trainJointly(gpu, inputs, options)), /needs clip, with mode balanced/);
    for (const given of [{ steps: 3 }, { rate: 0.1 }]) {
      const { error } = trainOptions.safeParse({ clip: { ...paper.clip, ...given } });
      const found = error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
      assert.match(
        String(found),
        new RegExp(`^clip.${Object.keys(given)[0]}: .*which mode: paper does not have`),
      );
    }
  }));

test.run();
