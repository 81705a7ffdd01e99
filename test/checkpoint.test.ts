/** What goes on from a checkpoint ends in the bytes of what was never interrupted. */
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { lookAt } from '../stages/artefacts/camera.ts';
import type { Dataset, View } from '../stages/artefacts/dataset.ts';
import { GAUSSIAN_PARAMETERS, type Gaussians } from '../stages/artefacts/gaussians.ts';
import { readGaussians } from '../stages/artefacts/gaussians-host.ts';
import { releaseGaussians } from '../stages/artefacts/release.ts';
import { type CheckpointKeeper, type SavedCheckpoint, Stopped } from '../stages/checkpoints.ts';
import { runCourse } from '../stages/optimizer/course.ts';
import { keptNumbers, latestCheckpoint, stateParts, writeBack } from '../stages/optimizer/kept.ts';
import { photometricObjective } from '../stages/optimizer/objectives/photometric.ts';
import { SplatOptimizer } from '../stages/optimizer/optimizer.ts';
import { blankState, createState, gaussiansOf, type TrainingState } from '../stages/optimizer/state.ts';
import { ViewOrder } from '../stages/optimizer/views.ts';
import type { Report } from '../stages/stage.ts';
import { stylize } from '../stages/stylize/stage.ts';
import type { TrainInput } from '../stages/train/options.ts';
import { train } from '../stages/train/stage.ts';
import { type Arena, type Gpu, InputError } from '../wgsl/core/index.ts';
import { withGpu } from './helpers/gpu.ts';
import { mixed } from './helpers/numbers.ts';
import { recordingReport } from './helpers/report.ts';
import { hostRows } from './helpers/state.ts';
import { ringDataset } from './helpers/tiny-scene.ts';

const TINY_CLIP = fileURLToPath(new URL('./data/clip-tiny', import.meta.url));
const COUNT = 120;
const SH_DEGREE = 1;

/** Keeps copies in memory; is due after each of `at`, or as `at` says. */
class MemoryKeeper implements CheckpointKeeper {
  stopping = false;
  readonly saved: SavedCheckpoint[] = [];
  readonly #at: (step: number) => boolean;
  #saving = false;

  constructor(at: (step: number) => boolean = () => false) {
    this.#at = at;
  }

  async latest(): Promise<SavedCheckpoint | undefined> {
    return this.saved.at(-1);
  }

  due(step: number): boolean {
    return this.#at(step);
  }

  async save({ step, numbers, tensors }: SavedCheckpoint): Promise<void> {
    assert.not(this.#saving, 'one at a time');
    this.#saving = true;
    const copies = copied(tensors);
    await new Promise((resolve) => setTimeout(resolve, 15));
    assert.equal(tensors, copies, 'nobody touched the bytes meanwhile');
    this.#saving = false;
    this.saved.push({ step, numbers: { ...numbers }, tensors: copies });
  }
}

/** One that has what was saved already. */
function keeperOf(...saved: SavedCheckpoint[]): MemoryKeeper {
  const keeper = new MemoryKeeper();
  keeper.saved.push(...saved);
  return keeper;
}

const copied = (tensors: Record<string, Uint8Array>): Record<string, Uint8Array> =>
  Object.fromEntries(Object.entries(tensors).map(([name, bytes]) => [name, bytes.slice()]));

/** A report that asks the keeper to stop so that `step` steps are finished then. */
function stoppingAt(step: number, keeper: MemoryKeeper): Report & { notes: string[]; warnings: string[] } {
  const report = recordingReport();
  const { progress } = report;
  report.progress = (told) => {
    progress(told);
    if (told.step === step - 1) keeper.stopping = true;
  };
  return report;
}

type Bytes = Record<string, Uint8Array>;

async function bytesOf(gpu: Gpu, gaussians: Gaussians): Promise<Bytes> {
  const host = await readGaussians(gpu, gaussians, 'test');
  return Object.fromEntries(GAUSSIAN_PARAMETERS.map((name) => [name, new Uint8Array(host[name].buffer)]));
}

/** The names of those that differ. */
function differences(a: Bytes, b: Bytes): string[] {
  return GAUSSIAN_PARAMETERS.filter((name) => Buffer.compare(a[name], b[name]) !== 0);
}

function photographs(arena: Arena): Dataset {
  const dataset = ringDataset();
  dataset.views.forEach((view, i) => {
    const colors = mixed(1600, i).map((word) => 0xff000000 | word);
    view.image = arena.upload(view.name, colors, 'test');
  });
  return dataset;
}

function startOf(arena: Arena): Gaussians {
  const rows = hostRows(COUNT, SH_DEGREE);
  const buffers = GAUSSIAN_PARAMETERS.map((name) => [name, arena.upload(name, rows[name], 'test')]);
  return { count: COUNT, shDegree: SH_DEGREE, ...Object.fromEntries(buffers) };
}

interface Settings {
  seed?: number;
  report?: Report;
  checkpoints?: CheckpointKeeper;
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
  const keeper = new MemoryKeeper();
  const error = await work({ checkpoints: keeper, report: stoppingAt(step, keeper) }).catch(
    (error: Error) => error,
  );
  assert.instance(error, Stopped);
  assert.equal(
    keeper.saved.map((saved) => saved.step),
    [step],
  );
  assert.is(gpu.liveBytes, live, 'all buffers are freed');
  return keeper.saved[0];
}

/** Stops at each of the steps and goes on; takes checkpoints after every step, and goes on from some of them. */
async function sameBytes(gpu: Gpu, work: Work, steps: number, stops: readonly number[]): Promise<number[]> {
  const expected = await work();
  const counts = [];
  for (const stop of stops) {
    const saved = await stopped(gpu, work, stop);
    counts.push(saved.numbers.count);
    const report = recordingReport();
    const resumed = await work({ checkpoints: keeperOf(saved), report });
    assert.equal(differences(resumed, expected), [], `stopped at ${stop}`);
    assert.ok(report.notes.includes(`resumed at step ${stop} of ${steps}`), report.notes.join());
    assert.equal(report.steps, [stop, ...Array.from({ length: steps - stop }, (_, i) => stop + i + 1)]);
  }
  const always = new MemoryKeeper(() => true);
  assert.equal(differences(await work({ checkpoints: always }), expected), [], 'checkpoints all the time');
  const last = always.saved.at(-1)!;
  assert.ok(last.step < steps, 'none after the last step: there is nothing left to do');
  assert.equal(differences(await work({ checkpoints: keeperOf(last) }), expected), []);
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

test('mcmc: stopped before, right at and after refinements that add Gaussians', () =>
  withGpu(async (gpu, arena) => {
    const work = training(gpu, arena, {
      steps: 16,
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
    const clip = { prompt: 'the robot', model: TINY_CLIP, weight: 1, crops: { count: 2 } };
    const mcmc = { refineStart: 0, refineEvery: 3, refineUntil: 1 };
    await sameBytes(gpu, training(gpu, arena, { steps: 8, cap: 150, clip, mcmc }), 8, [2, 5]);
  }));

test('stylize, which keeps the moments of what it trains alone', () =>
  withGpu(async (gpu, arena) => {
    const inputs = { dataset: ringDataset(), gaussians: startOf(arena) };
    const options = {
      prompt: 'the robot',
      model: TINY_CLIP,
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

test('every tensor of a checkpoint counts, and none is missing, superfluous or of another size', () =>
  withGpu(async (gpu, arena) => {
    const work = training(gpu, arena, DEFAULT);
    const expected = await work();
    const saved = await stopped(gpu, work, 14);
    const names = Object.keys(saved.tensors);
    assert.is(names.length, 3 * 5 + 1);
    assert.ok(names.includes('strategy/statistics'));
    for (const name of names) {
      const tensors = { ...saved.tensors, [name]: new Uint8Array(saved.tensors[name].length) };
      const forgetful = await work({ checkpoints: keeperOf({ ...saved, tensors }) });
      assert.ok(differences(forgetful, expected).length, `${name} makes no difference`);
    }
    const [first, ...others] = Object.entries(saved.tensors);
    const misfit = async (tensors: Bytes, pattern: RegExp) => {
      const live = gpu.liveBytes;
      const error = await work({ checkpoints: keeperOf({ ...saved, tensors }) }).catch(
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
    await misfit({ ...saved.tensors, more: first[1] }, /it has a tensor more/);
    await misfit(
      { ...saved.tensors, means: first[1].subarray(4) },
      /its means has \d+ bytes, and \d+ are expected/,
    );
  }));

test('a checkpoint of another training is refused', () =>
  withGpu(async (gpu, arena) => {
    const work = training(gpu, arena, { steps: 6 });
    const saved = await stopped(gpu, work, 3);
    const refusal = async (checkpoint: SavedCheckpoint, seed = 7) =>
      String(await work({ checkpoints: keeperOf(checkpoint), seed }).catch((error: Error) => error));
    assert.match(await refusal(saved, 8), /belongs to another training: its seed is 7, and here it is 8/);
    assert.match(await refusal({ ...saved, step: 7 }), /after step 7 .* here are 6 steps/);
    const numbers = { ...saved.numbers, steps: 5 };
    assert.match(await refusal({ ...saved, numbers }), /its steps is 5, and here it is 6/);
  }));

test('without memory for a checkpoint the training goes on', () =>
  withGpu(async (gpu, arena) => {
    const work = training(gpu, arena, { steps: 6 });
    const expected = await work();
    const { device } = gpu;
    const popErrorScope = device.popErrorScope.bind(device);
    device.popErrorScope = async () => {
      await popErrorScope();
      return { message: 'out of device memory' };
    };
    const keeper = new MemoryKeeper(() => true);
    const report = recordingReport();
    try {
      assert.equal(differences(await work({ checkpoints: keeper, report }), expected), []);
    } finally {
      device.popErrorScope = popErrorScope;
    }
    assert.equal(keeper.saved, []);
    assert.is(report.warnings.length, 1);
    assert.match(report.warnings[0], /could not be saved: no memory for the staging of train: out of device/);
  }));

test('a keeper that is stopping from the first leaves what it has; what is finished only ends', () =>
  withGpu(async (gpu, arena) => {
    const work = training(gpu, arena, { steps: 4 });
    const expected = await work();
    const keeper = new MemoryKeeper();
    keeper.stopping = true;
    const error = await work({ checkpoints: keeper }).catch((error: Error) => error);
    assert.instance(error, Stopped);
    assert.equal(keeper.saved, []);
    const late = new MemoryKeeper();
    const done = await work({ checkpoints: late, report: stoppingAt(4, late) });
    assert.equal(differences(done, expected), [], 'the last step is worth more than a checkpoint');
    assert.equal(late.saved, []);
  }));

const STEPS = 10;
const RATES = { means: 1e-3, logScales: 5e-3, quats: 1e-3, opacityLogits: 5e-2, sh: [2.5e-3, 1e-4] } as const;
const TERMS = { seed: 5, steps: STEPS, shDegree: SH_DEGREE };

/** Two views of which the second is crowded: 16 pairs are too few for both. */
function crowdedViews(arena: Arena): View[] {
  return [0, 1].map((i) => ({
    name: `view-${i}`,
    split: 'train',
    camera: {
      width: 40,
      height: 32,
      fx: 40,
      fy: 40,
      cx: 20,
      cy: 16,
      viewmat: lookAt([3 * i, -1, -4], [0, 0, 0], [0, -1, 0]),
    },
    image: arena.upload(`photo-${i}`, mixed(40 * 32, i), 'test'),
  }));
}

/** The course itself, with so much room for pairs, which waits for its first save half way. Tells which steps overflowed. */
async function course(
  arena: Arena,
  views: View[],
  start: Gaussians,
  {
    pairs,
    keeper,
    report = recordingReport(),
    saved: hasSaved = () => keeper.saved.length > 0,
  }: { pairs?: number; keeper: MemoryKeeper; report?: Report; saved?(): boolean },
): Promise<{ bytes: Bytes; failures: number[] }> {
  const { gpu } = arena;
  const saved = await latestCheckpoint(keeper, TERMS);
  let state: TrainingState;
  if (saved) {
    state = blankState(arena, { count: saved.numbers.count, shDegree: SH_DEGREE }, 200);
    writeBack(gpu, stateParts(state, GAUSSIAN_PARAMETERS), saved);
  } else state = createState(arena, start);
  const optimizer = await SplatOptimizer.create(state, {
    label: 'test',
    width: 40,
    height: 32,
    pairs,
    objectives: [photometricObjective({ dssim: 0.2 })],
    train: GAUSSIAN_PARAMETERS,
  });
  const failures: number[] = [];
  const settle = optimizer.settle.bind(optimizer);
  optimizer.settle = async () => {
    const failed = await settle();
    if (failed !== undefined) failures.push(failed);
    return failed;
  };
  const order = new ViewOrder(views, TERMS.seed);
  try {
    await runCourse(optimizer, {
      steps: STEPS,
      from: saved?.step,
      at: (step) => ({ view: order.at(step), background: [0, 0, 0], shDegree: SH_DEGREE, rates: RATES }),
      between: {
        due: (step) => step === 5,
        run: async () => {
          while (!hasSaved()) await new Promise((resolve) => setTimeout(resolve, 2));
        },
      },
      metrics: () => ({}),
      report,
      checkpoints: {
        keeper,
        kept: () => ({
          numbers: keptNumbers(state, TERMS),
          parts: stateParts(state, GAUSSIAN_PARAMETERS),
        }),
      },
    });
    return { bytes: await bytesOf(gpu, gaussiansOf(state)), failures };
  } finally {
    optimizer.destroy();
  }
}

test('no checkpoint is of a state in which a step was void, before and after one', () =>
  withGpu(async (_, arena) => {
    const [views, start] = [crowdedViews(arena), startOf(arena)];
    const each = new MemoryKeeper((step) => step === 4 || step === 8);
    const roomy = await course(arena, views, start, { keeper: each });
    assert.equal(roomy.failures, []);
    assert.equal(
      each.saved.map(({ step }) => step),
      [4, 8],
    );
    const keeper = new MemoryKeeper((step) => step === 4 || step === 8);
    const tight = await course(arena, views, start, { pairs: 16, keeper });
    assert.ok(tight.failures.includes(0), `steps 0 to 3 were void when the first was due: ${tight.failures}`);
    assert.equal(keeper.saved, each.saved);
    assert.equal(differences(tight.bytes, roomy.bytes), []);

    const [fourth] = each.saved;
    const resumed = await course(arena, views, start, { pairs: 16, keeper: keeperOf(fourth) });
    assert.ok(resumed.failures.includes(4), 'it overflows at its first step');
    assert.equal(differences(resumed.bytes, roomy.bytes), []);

    const stopping = keeperOf(fourth);
    const report = stoppingAt(7, stopping);
    const error = await course(arena, views, start, { pairs: 16, keeper: stopping, report }).catch(
      (error: Error) => error,
    );
    assert.instance(error, Stopped);
    const { bytes } = await course(arena, views, start, { keeper: keeperOf(stopping.saved.at(-1)!) });
    assert.equal(differences(bytes, roomy.bytes), [], 'stopped while steps were void');
  }));

test('a save that fails is told once and tried again, and the bytes are the same', () =>
  withGpu(async (gpu, arena) => {
    const [views, start] = [crowdedViews(arena), startOf(arena)];
    const failing = () => {
      const keeper = new MemoryKeeper((step) => step === 2 || step === 8);
      const tries: number[] = [];
      keeper.save = async ({ step }) => {
        tries.push(step);
        throw new Error('no space left on device');
      };
      return { keeper, tries };
    };
    const undisturbed = new MemoryKeeper();
    const expected = await course(arena, views, start, { keeper: undisturbed, saved: () => true });
    const { keeper, tries } = failing();
    const report = recordingReport();
    const { bytes } = await course(arena, views, start, { keeper, report, saved: () => tries.length > 0 });
    assert.equal(differences(bytes, expected.bytes), []);
    assert.equal(tries, [2, 8]);
    assert.is(report.warnings.length, 1);
    assert.match(report.warnings[0], /checkpoint after step 2 could not be saved: no space left on device/);

    const stopping = failing();
    const last = stoppingAt(4, stopping.keeper);
    const work = training(gpu, arena, { steps: 6 });
    const error = await work({ checkpoints: stopping.keeper, report: last }).catch((error: Error) => error);
    assert.instance(error, Stopped);
    assert.is(last.warnings.length, 1);
    assert.equal(stopping.tries, [2, 4]);
  }));

test.run();
