import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type GrowthRules, PlanGrowth } from '../wgsl/splat/densify/plan-growth.ts';
import { withGpu } from './helpers/gpu.ts';
import { uniform } from './helpers/numbers.ts';
import { planGrowth } from './reference/plan-growth.ts';

const COUNT = 1000;
const OFF = Number.POSITIVE_INFINITY;
const rules: GrowthRules = {
  growGradient: 2e-4,
  smallScale: 0.02,
  splitRadius: OFF,
  pruneOpacity: 0.005,
  pruneScale: OFF,
  pruneRadius: OFF,
  revisedOpacity: false,
};
/** Around all thresholds: a Gaussian may be steep, small, transparent, huge, wide on the screen, or never seen. */
const statistics = uniform(3 * COUNT, 1).map((value, i) => {
  const views = Math.floor(i / 3) % 5;
  return [value * 4e-4 * views, views, value * 0.2 * Math.sign(views)][i % 3];
});
const logScales = uniform(3 * COUNT, 2, -6, -1);
const opacityLogits = uniform(COUNT, 3, -8, 4);

for (const [name, change] of Object.entries({
  'before the first reset': {},
  'prunes the huge': { pruneScale: 0.2 },
  'by screen radius': { pruneScale: 0.2, splitRadius: 0.05, pruneRadius: 0.15 },
  'with revised opacity': { revisedOpacity: true, pruneOpacity: 0.2 },
  'prunes all': { pruneOpacity: 0.4999, pruneScale: 1e-9 },
})) {
  test(`plans the rows of each Gaussian: ${name}`, () =>
    withGpu(async (gpu, arena) => {
      const set: GrowthRules = { ...rules, ...change };
      const parts = arena.buffer('parts', 16 * COUNT);
      const plan = await PlanGrowth.create(arena, COUNT, set, {
        statistics: arena.upload('statistics', statistics, 'test'),
        logScales: arena.upload('logScales', logScales, 'test'),
        opacityLogits: arena.upload('opacityLogits', opacityLogits, 'test'),
        parts,
      });
      gpu.run('test', (recorder) => plan.record(recorder));
      const marks = await gpu.readWords(parts, 'test', 4 * COUNT);
      const origins = Array.from(marks.keys()).filter((entry) => marks[entry] === 1);
      assert.ok(marks.every((mark) => mark <= 1));
      assert.equal(origins, planGrowth(set, statistics, logScales, opacityLogits));
      const inPart = [0, 1, 2, 3].map((part) => origins.filter((e) => Math.floor(e / COUNT) === part).length);
      if (name !== 'prunes all') assert.ok(Math.min(...inPart) > 10, `every part is tried: ${inPart}`);
      else assert.is(origins.length, 0);
    }));
}

test.run();
