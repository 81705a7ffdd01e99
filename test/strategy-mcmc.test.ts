import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { GAUSSIAN_PARAMETERS, parameterWidths } from '../stages/artefacts/gaussians.ts';
import type { TrainingState } from '../stages/optimizer/state.ts';
import { STRATEGIES } from '../stages/train/strategies/index.ts';
import { addCopies, relocateDead } from '../stages/train/strategies/redistribute.ts';
import { withGpu } from './helpers/gpu.ts';
import { type HostRows, hostRows, readMoments, readRows, stateOf } from './helpers/state.ts';
import { relocation } from './reference/relocate-sources.ts';

const settings = ({ cap = 1_000_000, ...given }: { cap?: number }) => ({
  ...STRATEGIES.mcmc.options.parse(given),
  cap,
});

const COUNT = 400;
const SH_DEGREE = 1;
const widths = parameterWidths(SH_DEGREE);
const context = { seed: 42, steps: 30_000, extent: 2, views: 8 };
const redistribution = { seed: 42, step: 600, minOpacity: 0.005 };
const sigmoid = (logit: number) => 1 / (1 + Math.exp(-logit));
const row = (values: Float32Array, width: number, i: number) => values.subarray(i * width, (i + 1) * width);

/** For each row, the row of `before` whose place it has. */
function sourcesOf(after: HostRows, before: HostRows): number[] {
  const places = new Map(
    Array.from({ length: COUNT }, (_, i) => [row(before.means, 3, i).join(), i] as const),
  );
  const count = after.opacityLogits.length;
  return Array.from({ length: count }, (_, i) => places.get(row(after.means, 3, i).join()) ?? -1);
}

/** Checks that all rows of one source are equal, and as opaque and as large as the relocation formula wants. */
function checkShares(after: HostRows, before: HostRows, sources: number[]): void {
  const sharers = new Map<number, number[]>();
  for (const [i, source] of sources.entries()) sharers.set(source, [...(sharers.get(source) ?? []), i]);
  assert.ok(
    [...sharers.values()].some((rows) => rows.length > 2),
    'some source was drawn twice',
  );
  for (const [source, rows] of sharers) {
    for (const name of GAUSSIAN_PARAMETERS) {
      for (const i of rows) {
        assert.equal(row(after[name], widths[name], i), row(after[name], widths[name], rows[0]), name);
      }
    }
    for (const name of ['quats', 'sh'] as const) {
      assert.equal(row(after[name], widths[name], rows[0]), row(before[name], widths[name], source), name);
    }
    if (rows.length === 1) continue;
    const opacity = sigmoid(before.opacityLogits[source]);
    const expected = relocation(opacity, rows.length, 0.005);
    assert.ok(Math.abs(sigmoid(after.opacityLogits[rows[0]]) - expected.opacity) < 1e-5);
    const shrink = Math.exp(after.logScales[3 * rows[0]] - before.logScales[3 * source]);
    assert.ok(Math.abs(shrink / expected.shrink - 1) < 1e-3, `${shrink}, ${expected.shrink}`);
  }
}

test('dead Gaussians relocate onto live ones, which share opacity and scale with them', () =>
  withGpu(async (gpu, arena) => {
    const before = hostRows(COUNT, SH_DEGREE);
    const state = stateOf(arena, before, SH_DEGREE);
    const down = () =>
      gpu.ledger.rows().filter(({ direction, purpose }) => direction === 'down' && purpose !== 'test');
    const readBefore = down();
    await relocateDead(state, redistribution);
    assert.equal(down(), readBefore, 'nothing is read back');
    const after = await readRows(state);
    const dead = Array.from(before.opacityLogits, (logit) => sigmoid(logit) <= 0.005);
    const sources = sourcesOf(after, before);
    assert.ok(dead.filter(Boolean).length > 50);
    sources.forEach((source, i) => {
      assert.ok(source >= 0 && !dead[source], `row ${i} lies where a living one was`);
      if (!dead[i]) assert.is(source, i, 'the living stay where they are');
    });
    checkShares(after, before, sources);
    for (const which of ['m', 'v'] as const) {
      const moments = await readMoments(state, which);
      sources.forEach((source, i) => {
        const touched = dead[i] || sources.some((other, j) => other === i && j !== i);
        for (const name of GAUSSIAN_PARAMETERS) {
          assert.ok(
            row(moments[name], widths[name], i).every((value) => value === (touched ? 0 : 1)),
            `${source}`,
          );
        }
      });
    }
  }));

test('new Gaussians are copies; their sources keep their moments', () =>
  withGpu(async (gpu, arena) => {
    const before = hostRows(COUNT, SH_DEGREE);
    const state = stateOf(arena, before, SH_DEGREE);
    await addCopies(state, redistribution, 640, 1000);
    assert.is(state.count, 640);
    assert.is(state.version, 1);
    assert.is((await gpu.readWords(state.gaussianCount, 'test', 1))[0], 640);
    const after = await readRows(state);
    const sources = sourcesOf(after, before);
    assert.equal(
      sources.slice(0, COUNT),
      Array.from({ length: COUNT }, (_, i) => i),
    );
    assert.ok(sources.every((source) => source >= 0));
    checkShares(after, before, sources);
    const m = await readMoments(state, 'm');
    assert.ok(m.sh.subarray(0, COUNT * widths.sh).every((value) => value === 1));
    assert.ok(m.sh.subarray(COUNT * widths.sh).every((value) => value === 0));
  }));

test('sources are drawn in proportion to their opacity', () =>
  withGpu(async (_gpu, arena) => {
    const before = hostRows(COUNT, 0);
    const state = stateOf(arena, before, 0);
    const drawn = 20_000;
    await addCopies(state, redistribution, COUNT + drawn, COUNT + drawn);
    const sources = sourcesOf(await readRows(state), before).slice(COUNT);
    const opacities = Array.from(before.opacityLogits, sigmoid);
    const total = opacities.reduce((sum, opacity) => sum + opacity, 0);
    // In sixteen classes of neighbours: χ² with 15 degrees of freedom exceeds 37.7 once in a thousand seeds.
    const classOf = (i: number) => Math.floor((16 * i) / COUNT);
    const expected = new Float64Array(16);
    const found = new Float64Array(16);
    for (const [i, opacity] of opacities.entries()) expected[classOf(i)] += (drawn * opacity) / total;
    for (const source of sources) found[classOf(source)]++;
    const chiSquared = found.reduce((sum, n, i) => sum + (n - expected[i]) ** 2 / expected[i], 0);
    assert.ok(chiSquared < 37.7, `χ² ${chiSquared}`);
  }));

test('if all Gaussians are dead, none is relocated', () =>
  withGpu(async (_gpu, arena) => {
    const rows = hostRows(COUNT, 0);
    rows.opacityLogits.fill(-9);
    const state = stateOf(arena, rows, 0);
    await relocateDead(state, redistribution);
    assert.equal(await readRows(state), rows);
  }));

async function refineOnce(state: TrainingState, options: object, seed = 42): Promise<HostRows> {
  const parsed = settings(options);
  const strategy = await STRATEGIES.mcmc.create(state, parsed, { ...context, seed });
  for (const step of [599, 600]) {
    state.gpu.run('test', (recorder) => strategy.recordStep(recorder, step, { means: 1e-4 }));
    assert.is(strategy.refineDue(step), step === 600);
  }
  await strategy.refine(600);
  strategy.destroy();
  return readRows(state);
}

test('a refinement relocates, adds 5 % up to the cap, then adds noise', () =>
  withGpu(async (_gpu, arena) => {
    const state = stateOf(arena, hostRows(COUNT, 0), 0);
    const after = await refineOnce(state, {});
    assert.is(state.count, 420);
    const still = stateOf(arena, hostRows(COUNT, 0), 0);
    const without = await refineOnce(still, { noise: 0 });
    assert.equal(after.logScales, without.logScales);
    const moved = without.means.filter((value, i) => i >= 3 * COUNT && value !== after.means[i]);
    assert.ok(moved.length > 0, 'noise reaches the new ones');
    assert.ok(after.opacityLogits.every((logit) => sigmoid(logit) >= 0.00499));
    const capped = stateOf(arena, hostRows(COUNT, 0), 0);
    await refineOnce(capped, { cap: 410 });
    assert.is(capped.count, 410);
  }));

test('every step adds noise, but not at a rate of 0', () =>
  withGpu(async (_gpu, arena) => {
    const rows = hostRows(COUNT, 0);
    const means = async (options: object, step: number) => {
      const state = stateOf(arena, rows, 0);
      const strategy = await STRATEGIES.mcmc.create(state, settings(options), context);
      state.gpu.run('test', (recorder) => strategy.recordStep(recorder, step, { means: 1e-4 }));
      strategy.destroy();
      return (await readRows(state)).means;
    };
    assert.not.equal(await means({}, 3), rows.means);
    assert.not.equal(await means({}, 29_999), rows.means);
    assert.equal(await means({ noise: 0 }, 3), rows.means);
    assert.equal(await means({}, 600), rows.means, 'at a refinement it waits for it');
  }));

test('two runs give the same bytes, another seed others', () =>
  withGpu(async (_gpu, arena) => {
    const run = (seed: number) => refineOnce(stateOf(arena, hostRows(COUNT, 0), 0), {}, seed);
    const first = await run(42);
    assert.equal(await run(42), first);
    assert.not.equal((await run(43)).means, first.means);
  }));

test('a cap that the adapter cannot hold is refused before training', () =>
  withGpu(async (_gpu, arena) => {
    const state = stateOf(arena, hostRows(20_000, 3), 3);
    const options = settings({ cap: 2 ** 31 });
    try {
      await STRATEGIES.mcmc.create(state, options, { ...context, steps: 300_000 });
    } catch (error) {
      assert.match(
        (error as Error).message,
        /cap 2147483648 lets the splat grow.*Set train\.cap to at most \d+/,
      );
      return;
    }
    assert.unreachable('expected an error');
  }));

test.run();
