import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { GAUSSIAN_PARAMETERS, parameterWidths } from '../stages/artefacts/gaussians.ts';
import type { TrainingState } from '../stages/optimizer/state.ts';
import { STRATEGIES } from '../stages/train/strategies/index.ts';
import type { Arena } from '../wgsl/core/index.ts';
import { assertClose } from './helpers/close.ts';
import { withGpu } from './helpers/gpu.ts';
import { mixed, uniform } from './helpers/numbers.ts';
import { type HostRows, hostRows, readMoments, readRows, stateOf } from './helpers/state.ts';
import { gatherRows } from './reference/gather-rows.ts';
import { planGrowth } from './reference/plan-growth.ts';
import { screenStatistics } from './reference/screen-statistics.ts';
import { splitRows } from './reference/split-rows.ts';

const settings = (given: object) => ({
  ...STRATEGIES.default.options.parse(given),
  cap: Number.POSITIVE_INFINITY,
});

const COUNT = 600;
const SH_DEGREE = 1;
const context = { seed: 42, steps: 30_000, extent: 2, views: 8 };
const rates = { means: 1 };

/** What a backward pass would leave: a third not visible, gradients on both sides of the threshold. */
function screenAt(step: number): Float32Array {
  const hidden = mixed(COUNT, step).map((word) => word % 3);
  return uniform(2 * COUNT, step + 1000, 0.001, 1).map((value, i) =>
    hidden[i >> 1] ? value * [4e-4, 0.1][i % 2] : 0,
  );
}

async function trainOn(state: TrainingState, options: object, steps: readonly number[]): Promise<void> {
  const strategy = await STRATEGIES.default.create(state, settings(options), context);
  for (const step of steps) {
    const screen = new Float32Array(2 * state.count);
    screen.set(screenAt(step).subarray(0, screen.length));
    state.gpu.write(state.screen, screen, 'test');
    state.gpu.run('test', (recorder) => strategy.recordStep(recorder, step, rates));
    if (strategy.refineDue(step)) await strategy.refine(step);
  }
  strategy.destroy();
}

function reference(rows: HostRows, steps: readonly number[], pruneScale: number) {
  let statistics: ArrayLike<number> = new Float64Array(3 * COUNT);
  for (const step of steps) statistics = screenStatistics(statistics, screenAt(step));
  const off = Number.POSITIVE_INFINITY;
  const rules = {
    growGradient: 2e-4,
    smallScale: 0.01 * context.extent,
    splitRadius: off,
    pruneOpacity: 0.005,
    pruneScale,
    pruneRadius: off,
    revisedOpacity: false,
  };
  const origins = planGrowth(rules, statistics, rows.logScales, rows.opacityLogits);
  const widths = parameterWidths(SH_DEGREE);
  const moved = Object.fromEntries(
    GAUSSIAN_PARAMETERS.map((name) => [
      name,
      Float32Array.from(gatherRows(rows[name], widths[name], COUNT, origins, false)),
    ]),
  ) as HostRows;
  return {
    origins,
    moved: { ...moved, ...splitRows({ ...moved, origins, count: COUNT }, 42, steps.at(-1)!, false) },
  };
}

for (const [name, last, pruneScale] of [
  ['before the first reset', 600, Number.POSITIVE_INFINITY],
  ['after it, when the huge go too', 3100, 0.1 * context.extent],
] as const) {
  test(`grows, splits and prunes in gsplat's order ${name}`, () =>
    withGpu(async (_gpu, arena) => {
      const rows = hostRows(COUNT, SH_DEGREE);
      const state = stateOf(arena, rows, SH_DEGREE);
      const steps = [last - 2, last - 1, last];
      await trainOn(state, {}, steps);
      const { origins, moved } = reference(rows, steps, pruneScale);
      assert.is(state.count, origins.length);
      assert.equal([...(await state.gpu.readWords(state.gaussianCount, 'test', 1))], [origins.length]);
      for (let part = 0; part < 4; part++) {
        assert.ok(origins.filter((origin) => Math.floor(origin / COUNT) === part).length > 5);
      }
      const found = await readRows(state);
      for (const parameter of GAUSSIAN_PARAMETERS) {
        assertClose(found[parameter], moved[parameter], { absolute: 1e-5, relative: 1e-5 }, parameter);
      }
      const widths = parameterWidths(SH_DEGREE);
      for (const which of ['m', 'v'] as const) {
        const moments = await readMoments(state, which);
        for (const parameter of GAUSSIAN_PARAMETERS) {
          const expected = origins.flatMap((origin) => Array(widths[parameter]).fill(origin < COUNT ? 1 : 0));
          assert.equal(Array.from(moments[parameter]), expected, `${which} of ${parameter}`);
        }
      }
    }));
}

test('buffers grow when the splat outgrows them, and otherwise stay', () =>
  withGpu(async (_gpu, arena) => {
    const small = stateOf(arena, hostRows(COUNT, 0), 0);
    await trainOn(small, { pruneOpacity: 1e-6 }, [599, 600, 601, 700]);
    assert.ok(small.version >= 1 && small.count > COUNT && small.capacity >= small.count);
    const roomy = stateOf(arena, hostRows(COUNT, 0), 0, 3 * COUNT);
    await trainOn(roomy, { pruneOpacity: 1e-6 }, [599, 600, 601, 700]);
    assert.is(roomy.version, 0);
    assert.equal(await readRows(roomy), await readRows(small), 'room makes no difference to the splat');
  }));

test('statistics restart after a refinement', () =>
  withGpu(async (_gpu, arena) => {
    const state = stateOf(arena, hostRows(COUNT, 0), 0, 4 * COUNT);
    const strategy = await STRATEGIES.default.create(state, settings({}), context);
    state.gpu.write(state.screen, screenAt(600), 'test');
    state.gpu.run('test', (recorder) => strategy.recordStep(recorder, 600, rates));
    await strategy.refine(600);
    const { count } = state;
    assert.is.not(count, COUNT);
    // Nothing was seen since: nobody grows, and what there was to prune is gone.
    await strategy.refine(700);
    assert.is(state.count, count);
    strategy.destroy();
  }));

test('resets opacities every 3000 steps, with their moments', () =>
  withGpu(async (_gpu, arena) => {
    const state = stateOf(arena, hostRows(COUNT, 0), 0);
    await trainOn(state, { refineUntil: 0.15, growGradient: 1e9, pruneOpacity: 1e-9 }, [2999]);
    const before = await readRows(state);
    assert.ok(before.opacityLogits.some((logit) => logit > 0));
    await trainOn(state, { growGradient: 1e9, pruneOpacity: 0.005 }, [3000]);
    const { opacityLogits, means } = await readRows(state);
    assert.ok(state.count > 0 && opacityLogits.every((logit) => 1 / (1 + Math.exp(-logit)) < 0.010001));
    assert.ok(means.length > 0);
    const m = await readMoments(state, 'm');
    assert.ok(m.opacityLogits.every((value) => value === 0));
    assert.ok(m.means.every((value) => value === 1));
  }));

test('two runs give the same bytes, another seed others', () =>
  withGpu(async (_gpu, arena) => {
    const run = async (seed: number) => {
      const state = stateOf(arena, hostRows(COUNT, 0), 0);
      const strategy = await STRATEGIES.default.create(state, settings({}), {
        ...context,
        seed,
      });
      await step(arena, state, strategy.recordStep.bind(strategy));
      await strategy.refine(600);
      strategy.destroy();
      return readRows(state);
    };
    const first = await run(42);
    assert.equal(await run(42), first);
    assert.not.equal((await run(43)).means, first.means);
  }));

async function step(
  arena: Arena,
  state: TrainingState,
  record: (recorder: ReturnType<Arena['gpu']['recorder']>, step: number, rates: { means: number }) => void,
): Promise<void> {
  arena.gpu.write(state.screen, screenAt(600), 'test');
  arena.gpu.run('test', (recorder) => record(recorder, 600, rates));
}

test('pruning every Gaussian is an error that names the option', () =>
  withGpu(async (_gpu, arena) => {
    const rows = hostRows(COUNT, 0);
    rows.opacityLogits.fill(-9);
    const state = stateOf(arena, rows, 0);
    const live = state.gpu.liveBytes;
    try {
      await trainOn(state, {}, [600]);
    } catch (error) {
      assert.match((error as Error).message, /pruned all 600 Gaussians after step 600.*lower pruneOpacity/);
      assert.is(state.count, COUNT);
      assert.ok(state.gpu.liveBytes - live <= 12 * COUNT + 64, 'the work buffers are freed');
      return;
    }
    assert.unreachable('expected an error');
  }));

test.run();
