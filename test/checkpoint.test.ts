/** Training that resumes from a checkpoint ends with the same bytes as uninterrupted training. */
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Dataset } from '../stages/artefacts/dataset.ts';
import type { Gaussians } from '../stages/artefacts/gaussians.ts';
import { releaseGaussians } from '../stages/artefacts/gaussians.ts';
import { type CheckpointStore, type SavedCheckpoint, Stopped } from '../stages/checkpoints.ts';
import type { Report } from '../stages/stage.ts';
import { stylize } from '../stages/stylize/stage.ts';
import type { TrainInput } from '../stages/train/options.ts';
import { train } from '../stages/train/stage.ts';
import { type Arena, type Gpu, InputError } from '../wgsl/core/index.ts';
import {
  type Bytes,
  bytesOf,
  differences,
  failingStore,
  MemoryStore,
  startOf,
  stoppingAt,
  storeOf,
} from './helpers/checkpoints.ts';
import { withGpu } from './helpers/gpu.ts';
import { mixed } from './helpers/numbers.ts';
import { recordingReport } from './helpers/report.ts';
import { ringDataset } from './helpers/tiny-scene.ts';

const TINY_CLIP = fileURLToPath(new URL('./data/clip-tiny', import.meta.url));
function photographs(arena: Arena): Dataset {
  const dataset = ringDataset();
  dataset.views.forEach((view, i) => {
    const colors = mixed(1600, i).map((word) => 0xff000000 | word);
    view.image = arena.upload(view.name, colors, 'test');
  });
  return dataset;
}

interface Settings {
  seed?: number;
  report?: Report;
  checkpoints?: CheckpointStore;
}
type Work = (settings?: Settings) => Promise<Bytes>;

function training(gpu: Gpu, arena: Arena, options: TrainInput): Work {
  const inputs = { dataset: photographs(arena), gaussians: startOf(arena) };
  return (settings) => finished(gpu, train(gpu, inputs, options, { seed: 7, ...settings }));
}

async function finished(gpu: Gpu, work: Promise<Gaussians>): Promise<Bytes> {
  const gaussians = await work;
  const bytes = await bytesOf(gpu, gaussians);
  releaseGaussians(gaussians);
  return bytes;
}

async function stopped(gpu: Gpu, work: Work, step: number): Promise<SavedCheckpoint> {
  const live = gpu.liveBytes;
  const store = new MemoryStore();
  const error = await work({ checkpoints: store, report: stoppingAt(step, store) }).catch(
    (error: Error) => error,
  );
  assert.instance(error, Stopped);
  assert.equal(
    store.saved.map((saved) => saved.step),
    [step],
  );
  assert.is(gpu.liveBytes, live, 'all buffers are freed');
  return store.saved[0];
}

/** Stops at each of the steps and resumes; takes checkpoints after every step, and resumes from some of them. */
async function sameBytes(gpu: Gpu, work: Work, steps: number, stops: readonly number[]): Promise<number[]> {
  const expected = await work();
  const counts = [];
  for (const stop of stops) {
    const saved = await stopped(gpu, work, stop);
    counts.push(saved.numbers.count);
    const report = recordingReport();
    const resumed = await work({ checkpoints: storeOf(saved), report });
    assert.equal(differences(resumed, expected), [], `stopped at ${stop}`);
    assert.ok(report.notes.includes(`resumed at step ${stop} of ${steps}`), report.notes.join());
    assert.equal(report.steps, [stop, ...Array.from({ length: steps - stop }, (_, i) => stop + i + 1)]);
  }
  const always = new MemoryStore(() => true);
  assert.equal(differences(await work({ checkpoints: always }), expected), [], 'checkpoints all the time');
  const last = always.saved.at(-1)!;
  assert.ok(last.step < steps, 'none after the last step: there is nothing left to do');
  assert.equal(differences(await work({ checkpoints: storeOf(last) }), expected), []);
  return counts;
}

/** Grows after steps 8 and 16, resets opacities after 12. */
const DEFAULT: TrainInput = {
  steps: 20,
  strategy: 'default',
  shInterval: 6,
  background: 'random',
  default: {
    refineStart: 0,
    refineEvery: 8,
    refineUntil: 1,
    resetEvery: 12,
    growGradient: 1e-3,
    pruneScale: 100,
  },
};

test('budget: stopped before, right at and after refinements that split', () =>
  withGpu(async (gpu, arena) => {
    const work = training(gpu, arena, {
      steps: 16,
      strategy: 'budget',
      cap: 160,
      background: 'random',
      budget: { refineStart: 0, refineEvery: 4, refineUntil: 1 },
    });
    const counts = await sameBytes(gpu, work, 16, [3, 5, 10]);
    assert.ok(counts.at(-1)! > counts[0], `${counts}`);
  }));

test('mcmc: stopped before, right at and after refinements that add Gaussians', () =>
  withGpu(async (gpu, arena) => {
    const work = training(gpu, arena, {
      steps: 16,
      strategy: 'mcmc',
      cap: 160,
      shInterval: 5,
      background: 'random',
      mcmc: { refineStart: 0, refineEvery: 4, refineUntil: 1 },
    });
    const counts = await sameBytes(gpu, work, 16, [3, 5, 10]);
    assert.ok(counts.at(-1)! > counts[0], `${counts}`);
  }));

test('default: between two refinements, right at one that grows, right at a reset', () =>
  withGpu(async (gpu, arena) => {
    const counts = await sameBytes(gpu, training(gpu, arena, DEFAULT), 20, [4, 9, 13, 17]);
    assert.ok(counts[1] > counts[0] && counts[3] > counts[2], `${counts}`);
  }));

test('joint optimisation with CLIP', () =>
  withGpu(async (gpu, arena) => {
    const clip = {
      prompt: 'the robot',
      model: TINY_CLIP,
      mode: 'paper' as const,
      weight: 1,
      crops: { count: 2 },
    };
    const mcmc = { refineStart: 0, refineEvery: 3, refineUntil: 1 };
    await sameBytes(gpu, training(gpu, arena, { steps: 8, cap: 150, clip, mcmc }), 8, [2, 5]);
  }));

test('stylize with losses that compare with the splat before restyling', () =>
  withGpu(async (gpu, arena) => {
    const inputs = { dataset: ringDataset(), gaussians: startOf(arena) };
    const options = {
      prompt: 'the robot',
      model: TINY_CLIP,
      preset: 'paper' as const,
      steps: 6,
      background: 'random' as const,
      crops: { count: 2 },
      losses: {
        directional: { from: 'crop' as const },
        patch: { count: 2, threshold: 0 },
        content: 1,
        structure: 1,
        tv: 1,
        photo: 1,
      },
    };
    const work: Work = (settings) => finished(gpu, stylize(gpu, inputs, options, { seed: 7, ...settings }));
    await sameBytes(gpu, work, 6, [2, 5]);
  }));

test('stylize, which saves only the moments of the trained parameters', () =>
  withGpu(async (gpu, arena) => {
    const inputs = { dataset: ringDataset(), gaussians: startOf(arena) };
    const options = {
      prompt: 'the robot',
      model: TINY_CLIP,
      preset: 'paper' as const,
      steps: 8,
      train: ['sh' as const, 'opacity' as const],
      background: 'random' as const,
      crops: { count: 2 },
    };
    const work: Work = (settings) => finished(gpu, stylize(gpu, inputs, options, { seed: 7, ...settings }));
    await sameBytes(gpu, work, 8, [2, 5]);
    const { tensors } = await stopped(gpu, work, 3);
    assert.equal(Object.keys(tensors).sort(), [
      'logScales',
      'means',
      'opacityLogits',
      'opacityLogits/m',
      'opacityLogits/v',
      'quats',
      'sh',
      'sh/m',
      'sh/v',
    ]);
  }));

test('every tensor of a checkpoint affects the result; a missing, unknown or wrongly sized one is refused', () =>
  withGpu(async (gpu, arena) => {
    const work = training(gpu, arena, DEFAULT);
    const expected = await work();
    const saved = await stopped(gpu, work, 14);
    const names = Object.keys(saved.tensors);
    assert.is(names.length, 3 * 5 + 1);
    assert.ok(names.includes('strategy/statistics'));
    for (const name of names) {
      const tensors = { ...saved.tensors, [name]: new Uint8Array(saved.tensors[name].length) };
      const forgetful = await work({ checkpoints: storeOf({ ...saved, tensors }) });
      assert.ok(differences(forgetful, expected).length, `${name} makes no difference`);
    }
    const [first, ...others] = Object.entries(saved.tensors);
    const misfit = async (tensors: Bytes, pattern: RegExp) => {
      const live = gpu.liveBytes;
      const error = await work({ checkpoints: storeOf({ ...saved, tensors }) }).catch(
        (error: Error) => error,
      );
      assert.instance(error, InputError);
      assert.match(String(error), pattern);
      assert.is(gpu.liveBytes, live);
    };
    await misfit(
      Object.fromEntries(others),
      /after step 14 belongs to another training: it has no tensor means/,
    );
    await misfit({ ...saved.tensors, more: first[1] }, /it has an unknown tensor more/);
    await misfit({ ...saved.tensors, means: first[1].subarray(4) }, /its means has \d+ bytes, expected \d+/);
  }));

test('a checkpoint of another training is refused', () =>
  withGpu(async (gpu, arena) => {
    const work = training(gpu, arena, { steps: 6 });
    const saved = await stopped(gpu, work, 3);
    const refusal = async (checkpoint: SavedCheckpoint, seed = 7) =>
      String(await work({ checkpoints: storeOf(checkpoint), seed }).catch((error: Error) => error));
    assert.match(await refusal(saved, 8), /belongs to another training: its seed is 7, expected 8/);
    assert.match(await refusal({ ...saved, step: 7 }), /after step 7 .* this training has 6 steps/);
    const numbers = { ...saved.numbers, steps: 5 };
    assert.match(await refusal({ ...saved, numbers }), /its steps is 5, expected 6/);
  }));

test('without memory for a checkpoint training continues', () =>
  withGpu(async (gpu, arena) => {
    const work = training(gpu, arena, { steps: 6 });
    const expected = await work();
    const { device } = gpu;
    const popErrorScope = device.popErrorScope.bind(device);
    device.popErrorScope = async () => {
      await popErrorScope();
      return { message: 'out of device memory' };
    };
    const store = new MemoryStore(() => true);
    const report = recordingReport();
    try {
      assert.equal(differences(await work({ checkpoints: store, report }), expected), []);
    } finally {
      device.popErrorScope = popErrorScope;
    }
    assert.equal(store.saved, []);
    assert.is(report.warnings.length, 1);
    assert.match(report.warnings[0], /could not be saved: no memory for the staging of train: out of device/);
  }));

test('a store that is stopping from the start keeps its checkpoint; a finished training ends normally', () =>
  withGpu(async (gpu, arena) => {
    const work = training(gpu, arena, { steps: 4 });
    const expected = await work();
    const store = new MemoryStore();
    store.stopping = true;
    const error = await work({ checkpoints: store }).catch((error: Error) => error);
    assert.instance(error, Stopped);
    assert.equal(store.saved, []);
    const late = new MemoryStore();
    const done = await work({ checkpoints: late, report: stoppingAt(4, late) });
    assert.equal(differences(done, expected), [], 'the last step is worth more than a checkpoint');
    assert.equal(late.saved, []);
  }));

test('a failed save while training stops is reported, and training stops', () =>
  withGpu(async (gpu, arena) => {
    const stopping = failingStore(2, 8);
    const last = stoppingAt(4, stopping.store);
    const work = training(gpu, arena, { steps: 6 });
    const error = await work({ checkpoints: stopping.store, report: last }).catch((error: Error) => error);
    assert.instance(error, Stopped);
    assert.is(last.warnings.length, 1);
    assert.equal(stopping.tries, [2, 4]);
  }));

test.run();
