import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { SubmissionThrottle } from '../stages/optimizer/submission-throttle.ts';
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
  const throttle = new SubmissionThrottle(gpu);
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
  const throttle = new SubmissionThrottle(gpu);
  for (let step = 0; step < 16; step++) await throttle.submitted();
  throttle.settled();
  assert.ok(await isOver(throttle.submitted()));
});

test('on a CPU one step runs while the host records the next', async () => {
  const answers: (() => void)[] = [];
  const { gpu, asked, checked } = fakeGpu('cpu', () => new Promise((resolve) => answers.push(resolve)));
  const throttle = new SubmissionThrottle(gpu);
  assert.ok(await isOver(throttle.submitted()), 'step 0 waits for nothing');
  for (let step = 1; step < 4; step++) {
    const next = throttle.submitted();
    assert.not(await isOver(next), `step ${step} waits for step ${step - 1}`);
    answers[step - 1]();
    assert.ok(await isOver(next));
  }
  assert.equal([asked(), checked()], [4, 4]);
});

test.run();
