import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  chooseCameras,
  evenly,
  MARGIN_FACTOR,
  requireMargin,
  scoreBounds,
} from '../pipeline/golden/record.ts';
import { DEFAULT_TOLERANCE } from '../pipeline/golden/recording.ts';
import { likeness, psnr } from './golden/example.ts';
import { throwsInput } from './helpers/throws.ts';

test('cameras are chosen evenly, scaled to the size, and have unique names', () => {
  assert.equal(evenly([0, 1, 2, 3, 4, 5, 6, 7, 8], 3), [0, 3, 6]);
  assert.equal(evenly([1, 2], 5), [1, 2]);
  const camera = { width: 400, height: 200, fx: 300, fy: 300, cx: 200, cy: 100, viewmat: Array(16).fill(0) };
  const named = (name: string) => ({ name, camera });
  const turntable = ['t0', 't1', 't2', 't3', 't4', 't5'].map(named);
  const chosen = chooseCameras([turntable, ['v', 'v', 'w'].map(named)], 6, 100);
  assert.equal(
    chosen.map(({ name }) => name),
    ['t0', 't1', 't3', 't4', 'v', 'v-5'],
  );
  assert.equal(chosen[0].camera, { ...camera, width: 100, height: 50, fx: 75, fy: 75, cx: 50, cy: 25 });
  const few = chooseCameras([[named('t')], ['a', 'b', 'c'].map(named)], 3, 500);
  assert.equal(
    few.map(({ name }) => name),
    ['t', 'a', 'b'],
  );
  assert.is(few[0].camera.width, 400, 'no picture is enlarged');
});

test('a tolerance is at least the factor times the measured margin', async () => {
  requireMargin('fox.yaml', DEFAULT_TOLERANCE, { max: 1, mean: 0.0001, ssim: 1 });
  const refused = await throwsInput(() => requireMargin('fox.yaml', DEFAULT_TOLERANCE, DEFAULT_TOLERANCE));
  assert.match(
    refused,
    `record with --max ${MARGIN_FACTOR * DEFAULT_TOLERANCE.max} --mean 0.04 --ssim 0.998`,
  );
});

test('bounds of scores follow the spread of other seeds, and have a minimum', () => {
  const bounds = scoreBounds(
    [psnr, likeness],
    [[{ ...psnr, value: 29.5 }], [{ ...psnr, value: 30.1 }, likeness]],
  );
  assert.equal(
    bounds.map(({ bound, spread }) => ({ bound, spread })),
    [
      { bound: 1.5, spread: 0.5 },
      { bound: 0.045, spread: 0 },
    ],
  );
});

test.run();
