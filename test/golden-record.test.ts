import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { boundOf, chooseCameras, TOLERANCE } from '../pipeline/golden/record.ts';
import { readGolden } from '../pipeline/golden/recording.ts';
import { ROOT } from './golden/bench.ts';
import { likeness, psnr } from './golden/example.ts';

test('cameras are chosen evenly and scaled to the size', () => {
  const camera = { width: 400, height: 200, fx: 300, fy: 300, cx: 200, cy: 100, viewmat: Array(16).fill(0) };
  const turntable = ['0', '1', '2', '3', '4', '5', '6', '7', '8'].map((name) => ({ name, camera }));
  const chosen = chooseCameras(turntable, 3, 100);
  assert.equal(
    chosen.map(({ name }) => name),
    ['turntable-0', 'turntable-3', 'turntable-6'],
  );
  assert.equal(chosen[0].camera, { ...camera, width: 100, height: 50, fx: 75, fy: 75, cx: 50, cy: 25 });
  const few = chooseCameras(turntable.slice(0, 2), 5, 500);
  assert.equal(
    few.map(({ name }) => name),
    ['turntable-0', 'turntable-1'],
  );
  assert.is(few[0].camera.width, 400, 'no picture is enlarged');
});

test('the bound of a score is 0.5 dB, or a part of its value', () => {
  const cosine = { ...psnr, unit: '100·cosine' };
  assert.equal(
    [psnr, likeness, { ...cosine, value: 40 }, { ...cosine, value: 1.2 }, { ...cosine, value: -40 }].map(
      boundOf,
    ),
    [0.5, 0.045, 2, 0.25, 2],
  );
});

test('a recording of now allows no more than the recordings in scenes/ do', async () => {
  for (const name of ['demo', 'joint']) {
    const { tolerance, chain } = await readGolden(join(ROOT, `scenes/${name}.yaml`));
    assert.equal(tolerance, TOLERANCE);
    assert.ok(chain.scores.length > 2);
    for (const score of chain.scores) assert.ok(boundOf(score) <= score.bound + 1e-6, score.name);
  }
});

test.run();
