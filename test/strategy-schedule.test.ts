import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { pacedCount } from '../stages/train/strategies/budget.ts';
import { resetInterval } from '../stages/train/strategies/default.ts';
import { STRATEGIES } from '../stages/train/strategies/index.ts';
import { finalCount, grownCount } from '../stages/train/strategies/mcmc.ts';
import { refinements, refineSchedule, refinesAt } from '../stages/train/strategies/schedule.ts';

const defaults = { refineStart: 500, refineUntil: 0.5, refineEvery: 100 };

test('30,000 steps give the published schedule', () => {
  const schedule = refineSchedule(defaults, 30_000);
  assert.equal(schedule, { start: 500, stop: 15_000, every: 100 });
  const steps = Array.from({ length: 30_000 }, (_, step) => step).filter((step) => refinesAt(schedule, step));
  assert.is(steps[0], 600);
  assert.is(steps.at(-1), 14_900);
  assert.is(steps.length, refinements(schedule));
  assert.is(resetInterval(30_000), 3000);
  assert.is(refineSchedule(STRATEGIES.mcmc.options.parse({}), 30_000).stop, 25_000);
});

test('shorter runs refine for the same fraction of their steps', () => {
  assert.equal(refineSchedule(defaults, 7000), { start: 500, stop: 3500, every: 100 });
  assert.equal(refineSchedule(defaults, 1000), { start: 100, stop: 500, every: 100 });
  assert.equal([7000, 1000, 60_000].map(resetInterval), [700, 300, 3000]);
  assert.is(refinements(refineSchedule(defaults, 50)), 0);
  assert.is(refinements(refineSchedule({ ...defaults, refineUntil: 0 }, 7000)), 0);
});

test('mcmc grows by 5 % up to its cap, and predicts its final count', () => {
  const { growth } = STRATEGIES.mcmc.options.parse({});
  assert.is(grownCount(1000, { cap: 2000, growth }), 1050);
  assert.is(grownCount(1999, { cap: 2000, growth }), 2000);
  assert.is(grownCount(3000, { cap: 2000, growth }), 3000, 'a splat above the cap stays as large as it is');
  assert.is(grownCount(19, { cap: 2000, growth }), 19, 'as gsplat: a twentieth of less than 20 is none');
  const options = { ...STRATEGIES.mcmc.options.parse({}), cap: 5000 };
  // Refined at 600, 700 … 5800: 53 times.
  let count = 1000;
  for (let i = 0; i < 53; i++) count = Math.min(5000, Math.floor(1.05 * count));
  assert.is(finalCount(1000, options, 7000), count);
  assert.is(finalCount(100, options, 7000), grow(100, 53));
  for (const [from, times] of [
    [0, 0],
    [600, 0],
    [601, 1],
    [700, 1],
    [5800, 52],
    [5801, 53],
    [7000, 53],
  ]) {
    assert.is(finalCount(grow(100, times), options, 7000, from), grow(100, 53), `resumed at step ${from}`);
  }
});

function grow(count: number, times: number): number {
  return times ? grow(Math.floor(1.05 * count), times - 1) : count;
}

test('budget grows at its pace to the cap, from any number of Gaussians', () => {
  const all = Array.from({ length: 10 }, (_, i) => 9 - i);
  const course = (pace: number) => {
    const counts = [1000];
    for (const left of all) counts.push(pacedCount(counts.at(-1)!, { cap: 2000, pace }, left));
    return counts;
  };
  assert.equal(course(1), [1000, 1100, 1200, 1300, 1400, 1500, 1600, 1700, 1800, 1900, 2000]);
  const twice = course(2);
  assert.is(twice[1], 1200, 'twice as fast at first');
  assert.is(twice[9], 2000, 'and there with a refinement to spare');
  assert.ok(twice.every((count, i) => i === 0 || count >= twice[i - 1]));
  assert.is(
    pacedCount(3000, { cap: 2000, pace: 1 }, 5),
    3000,
    'a splat above the cap stays as large as it is',
  );
  const { finalCount } = STRATEGIES.budget;
  const options = { ...STRATEGIES.budget.options.parse({}), cap: 2000 };
  assert.is(finalCount!(1000, options, 7000, 0), 2000);
  assert.is(finalCount!(1000, options, 7000, 6000), 1000, 'no refinement is left');
});

test('options: published defaults, and unknown keys are errors', () => {
  const options = STRATEGIES.default.options.parse({});
  assert.is(options.growGradient, 2e-4);
  assert.is(options.pruneOpacity, 0.005);
  assert.is(STRATEGIES.mcmc.options.parse({}).noise, 5e5);
  for (const { options } of Object.values(STRATEGIES)) {
    assert.not.ok(options.safeParse({ growGradiant: 1 }).success);
  }
});

test.run();
