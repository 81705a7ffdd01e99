import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { TimeBudget } from '../stages/optimizer/time-budget.ts';

const STEPS = 7000;
const REFINES = { start: 500, stop: 4200, every: 100 };
const due = (step: number) => step > REFINES.start && step < REFINES.stop && step % REFINES.every === 0;

/** A loop with a simulated clock: the time of a step is a function of its number. */
function take(cost: (step: number) => number, { seconds = 5, spent = 0, from = 0 } = {}) {
  let clock = 100;
  const budget = new TimeBudget({ seconds, steps: STEPS, spent, now: () => clock });
  const taken: number[] = [];
  for (let step = from; step < STEPS; ) {
    taken.push(step);
    clock += cost(step) + (due(step) ? 0.005 : 0);
    const next = budget.next(step, due);
    if (due(step) || next >= STEPS || budget.measureDue || taken.length % 50 === 0) budget.measure(step);
    step = next;
  }
  return { taken, seconds: clock - 100, budget };
}

test('a loop that fits takes all steps', () => {
  const { taken, budget } = take(() => 0.0005);
  assert.equal(
    taken,
    Array.from({ length: STEPS }, (_, step) => step),
  );
  assert.is(budget.taken, STEPS);
});

for (const cost of [0.001, 0.004, 0.02]) {
  test(`steps of ${1000 * cost} ms: the schedule ends in time, and no due step is skipped`, () => {
    const { taken, seconds, budget } = take(() => cost);
    assert.ok(seconds <= 5, `${seconds} s`);
    assert.ok(seconds > 4.7, `${seconds} s: the time is used`);
    assert.is(budget.taken, taken.length);
    assert.ok(taken.at(-1)! > 0.97 * STEPS, `the last step is ${taken.at(-1)}`);
    assert.is(taken.filter(due).length, Array.from({ length: STEPS }, (_, step) => step).filter(due).length);
    assert.ok(taken.every((step, i) => i === 0 || step > taken[i - 1]));
  });
}

test('steps that become slower: still in time', () => {
  const { seconds, taken } = take((step) => 0.0005 + (0.003 * Math.min(step, 4200)) / 4200);
  assert.ok(seconds <= 5 && seconds > 4.7, `${seconds} s`);
  assert.ok(taken.at(-1)! > 0.97 * STEPS);
});

test('time for a few steps only: it ends before the step that would exceed it', () => {
  const { seconds, taken } = take(() => 0.5);
  assert.ok(seconds <= 5, `${seconds} s`);
  assert.is(taken.length, 9);
});

test('the time of an earlier process counts', () => {
  const { seconds } = take(() => 0.002, { spent: 3, from: 2000 });
  assert.ok(seconds <= 2 && seconds > 1.8, `${seconds} s`);
});

test('steps that are redone after an overflow count once, also at the end of the time', () => {
  let clock = 0;
  const budget = new TimeBudget({ seconds: 1, steps: 100, taken: 10, now: () => clock });
  for (let step = 10; step < 20; step++) budget.next(step, () => false);
  clock = 2;
  assert.is(
    budget.next(20, () => false),
    100,
    'time is over',
  );
  assert.is(budget.taken, 21);
  assert.is(
    budget.next(15, () => false),
    100,
    'step 15 was void, and all behind it',
  );
  assert.is(budget.taken, 16);
});

test.run();
