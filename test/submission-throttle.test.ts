import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createThrottle } from '../stages/optimizer/submission-throttle.ts';
import type { Gpu, KernelTarget } from '../wgsl/core/index.ts';

/** A queue whose promises the test resolves. */
function fakeGpu(target: KernelTarget, answer: () => Promise<void>) {
  let asked = 0;
  let checked = 0;
  const queue = {
    onSubmittedWorkDone() {
      asked++;
      return answer();
    },
  };
  const gpu = { target, device: { queue }, check: () => checked++ } as unknown as Gpu;
  return { gpu, asked: () => asked, checked: () => checked };
}

/** Whether it resolves before anything else happens. */
async function isOver(promise: Promise<unknown>): Promise<boolean> {
  let over = false;
  promise.then(() => {
    over = true;
  });
  for (let i = 0; i < 10; i++) await Promise.resolve();
  return over;
}

test('on a GPU it runs sixteen steps ahead and waits for the oldest mark then', async () => {
  const answers: (() => void)[] = [];
  const { gpu, asked } = fakeGpu('subgroup', () => new Promise((resolve) => answers.push(resolve)));
  const throttle = createThrottle(gpu);
  for (let step = 0; step < 16; step++)
    assert.ok(await isOver(throttle.submitted()), `step ${step} waits for nothing`);
  assert.is(asked(), 4, 'a mark every fourth step');
  const next = throttle.submitted();
  assert.not(await isOver(next), 'step 16 waits for the mark of step 0');
  answers[0]();
  assert.ok(await isOver(next));
});

test('on a GPU it does not wait once all work is known to be done', async () => {
  const { gpu } = fakeGpu('subgroup', () => new Promise(() => {}));
  const throttle = createThrottle(gpu);
  for (let step = 0; step < 16; step++) await throttle.submitted();
  throttle.settled();
  assert.ok(await isOver(throttle.submitted()));
});

test('on a CPU it waits for every step, and polls only when most of it is over', async () => {
  const took = 60;
  let began = 0;
  let answered = 0;
  const delays: number[] = [];
  const { gpu, asked, checked } = fakeGpu('cpu', () => {
    const since = performance.now() - began;
    delays.push(since);
    return new Promise<void>((resolve) => setTimeout(resolve, Math.max(0, took - since))).then(() => {
      answered++;
    });
  });
  const throttle = createThrottle(gpu);
  const steps: number[] = [];
  for (let step = 0; step < 5; step++) {
    began = performance.now();
    await throttle.submitted();
    steps.push(performance.now() - began);
    assert.is(answered, step + 1, 'waited for');
  }
  assert.equal([asked(), checked()], [5, 5]);
  // Relative to the measured steps: a busy machine stretches both.
  const shares = delays.map((delay, step) => delay / steps[step]);
  assert.ok(shares[0] < 0.5 && shares[1] < 0.5, `the duration is not known yet: ${shares}`);
  for (let step = 2; step < 5; step++) {
    const known = Math.min(steps[step - 1], steps[step - 2]);
    assert.ok(delays[step] >= 0.75 * known, `step ${step} polls after ${delays[step]} of ${known} ms`);
  }
});

test.run();
