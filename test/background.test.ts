import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  backgroundAt,
  backgroundColor,
  backgroundOption,
  trainingBackgroundOption,
} from '../stages/artefacts/background.ts';
import { random4 } from '../wgsl/core/index.ts';

test('names and colours are accepted, and black is the default', () => {
  for (const option of [backgroundOption(), trainingBackgroundOption('Behind')]) {
    assert.is(option.parse(undefined), 'black');
    for (const given of ['white', [0, 0.5, 1]]) assert.equal(option.parse(given), given);
    for (const wrong of ['blue', [0, 0], [0, 0, 1.5], [0, 0, -0.1], 1, [0, 0, 0, 1]]) {
      assert.not(option.safeParse(wrong).success, JSON.stringify(wrong));
    }
  }
  assert.is(trainingBackgroundOption('Behind').parse('random'), 'random');
  assert.not(backgroundOption().safeParse('random').success, 'only where it is trained');
});

test('a step’s colour depends on the seed and the step alone', () => {
  assert.equal(backgroundColor('black'), [0, 0, 0]);
  assert.equal(backgroundColor('white'), [1, 1, 1]);
  assert.equal(backgroundAt('white', 1, 2), [1, 1, 1]);
  assert.equal(backgroundAt([0.1, 0.2, 0.3], 1, 2), [0.1, 0.2, 0.3]);
  assert.equal(backgroundAt('random', 1, 2), random4(1, 'background', 2, 0).slice(0, 3));
  assert.not.equal(backgroundAt('random', 1, 2), backgroundAt('random', 1, 3));
  assert.not.equal(backgroundAt('random', 1, 2), backgroundAt('random', 2, 2));
});

test.run();
