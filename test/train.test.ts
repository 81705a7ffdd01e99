import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { releaseGaussians } from '../stages/artefacts/gaussians.ts';
import type { TrainInput } from '../stages/train/options.ts';
import { train } from '../stages/train/stage.ts';
import { InputError } from '../wgsl/core/index.ts';
import { withGpu } from './helpers/gpu.ts';
import { recordingReport } from './helpers/report.ts';
import { balls, ringDataset } from './helpers/tiny-scene.ts';

const BALLS = 8;

test('a start above the cap keeps every Gaussian, with a note in the report', () =>
  withGpu(async (gpu, arena) => {
    const dataset = ringDataset();
    for (const view of dataset.views) view.image = arena.buffer(view.name, 4 * 1600);
    const gaussians = balls(arena, 'start');
    const outcome = async (options: TrainInput) => {
      const report = recordingReport();
      const refineEverySecond = { refineStart: 0, refineEvery: 2 };
      const given = { steps: 4, mcmc: refineEverySecond, budget: refineEverySecond, ...options };
      const trained = await train(gpu, { dataset, gaussians }, given, { report });
      releaseGaussians(trained);
      return { count: trained.count, warnings: report.warnings };
    };
    for (const strategy of ['budget', 'mcmc'] as const) {
      const above = await outcome({ strategy, cap: 5 });
      assert.is(above.count, BALLS);
      assert.is(above.warnings.length, 1);
      assert.match(above.warnings[0], /train\.cap is 5 and training starts with 8 Gaussians: all are kept/);
      assert.equal(await outcome({ strategy, cap: BALLS }), { count: BALLS, warnings: [] });
    }
    assert.equal(
      (await outcome({ cap: 5, strategy: 'default' })).warnings,
      [],
      'the cap is of no concern to it',
    );
  }));

test('views and splats that exceed the adapter’s limits are refused before any allocation', () =>
  withGpu(async (gpu, arena) => {
    const dataset = ringDataset();
    for (const view of dataset.views) view.image = arena.buffer(view.name, 4 * 1600);
    const gaussians = balls(arena, 'start');
    const live = gpu.liveBytes;
    const refusal = async (given: TrainInput, views = dataset.views) => {
      const error = await train(gpu, { dataset: { ...dataset, views }, gaussians }, given).catch(
        (error: Error) => error,
      );
      assert.instance(error, InputError);
      assert.is(gpu.liveBytes, live);
      return String(error);
    };
    const camera = { ...dataset.views[0].camera, width: 20_000, height: 10_000 };
    const large = [{ ...dataset.views[0], camera }];
    assert.match(
      await refusal({}, large),
      /views of 20000×10000 need 6867 MiB in one binding \(36 bytes.* allows \d+ MiB\. .*by [\d.]+ at least \(load\.downscale\)/,
    );
    assert.match(await refusal({ dssim: 0 }, large), /need 3052 MiB in one binding \(16 bytes/);
    assert.match(
      await refusal({ cap: 2 ** 31, steps: 1000 }),
      /needs room for 2147483648 Gaussians of SH degree 0; this adapter holds \d+ \(each takes .*Set train\.cap to at most \d+/,
    );
  }));

test('a time limit ends training with a note; a sufficient one changes no byte', () =>
  withGpu(async (gpu, arena) => {
    const dataset = ringDataset();
    for (const view of dataset.views) view.image = arena.buffer(view.name, 4 * 1600);
    const gaussians = balls(arena, 'start');
    const outcome = async (options: TrainInput) => {
      const report = recordingReport();
      const trained = await train(gpu, { dataset, gaussians }, options, { report });
      const means = await gpu.readFloats(trained.means, 'test', 3 * trained.count);
      releaseGaussians(trained);
      return { warnings: report.warnings, steps: report.steps, means: [...means] };
    };
    const whole = await outcome({ steps: 12, cap: BALLS });
    const ample = await outcome({ steps: 12, cap: BALLS, seconds: 600 });
    assert.equal(ample.means, whole.means);
    assert.equal([ample.warnings, ample.steps], [[], whole.steps]);
    // A million steps take hours on any adapter: only a budget that works lets this test end. test/time-budget.test.ts has
    // the arithmetic, with a simulated clock.
    const short = await outcome({ steps: 1_000_000, cap: BALLS, seconds: 1 });
    assert.ok(short.steps.length < 1_000_000 / 4, `${short.steps.length} steps were taken`);
    assert.is(short.warnings.length, 1);
    assert.match(
      short.warnings[0],
      /train\.seconds 1 ended training after \d+ steps, with the schedules of 1000000/,
    );
    assert.is(short.steps.at(-1), 1_000_000, 'the progress reaches its end');
  }));

test('a dataset without photographs cannot be trained on', () =>
  withGpu(async (gpu, arena) => {
    const error = await train(gpu, { dataset: ringDataset(), gaussians: balls(arena, 'start') }).catch(
      (error: Error) => error,
    );
    assert.instance(error, InputError);
    assert.match(String(error), /needs photographs.*load a capture, or remove train/);
  }));

test.run();
