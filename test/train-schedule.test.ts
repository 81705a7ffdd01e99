import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { annealed } from '../stages/optimizer/anneal.ts';
import { adamRates } from '../stages/optimizer/parameters.ts';
import { recipeOf, trainOptions } from '../stages/train/options.ts';
import { dropoutAt, meansRate, shDegreeAt } from '../stages/train/schedule.ts';

const RATES = recipeOf(trainOptions.parse({ strategy: 'mcmc' })).rates;

/** Within a few roundings of the last digit of a double. */
function same(actual: number, expected: number): void {
  assert.ok(Math.abs(actual / expected - 1) < 1e-12, `${actual}, expected ${expected}`);
}

test('the rates are gsplat’s', () => {
  assert.equal(RATES, { means: 1.6e-4, scales: 5e-3, quats: 1e-3, opacity: 5e-2, sh: 2.5e-3 });
  const { means, logScales, quats, opacityLogits, sh } = adamRates(RATES, 7e-4);
  assert.equal([means, logScales, quats, opacityLogits, sh![0]], [7e-4, 5e-3, 1e-3, 5e-2, 2.5e-3]);
  same(sh![1], 1.25e-4);
});

test('the means’ rate falls to a hundredth by one factor a step, as ExponentialLR with γ = 0.01^(1/steps)', () => {
  // 1.6e-4 · extent 5 = 8e-4 at the start; 10^(−2·1/4) = 0.3162…, a tenth and a hundredth after.
  same(meansRate(0, 30_000, 1.6e-4, 5), 8e-4);
  same(meansRate(7500, 30_000, 1.6e-4, 5), 8e-4 * 0.31622776601683794);
  same(meansRate(15_000, 30_000, 1.6e-4, 5), 8e-5);
  same(meansRate(30_000, 30_000, 1.6e-4, 5), 8e-6);
  // γ of 30,000 steps, from ln 0.01 = −4.605170185988091: exp(−1.535056728662697e-4)
  for (const step of [0, 1, 12_345, 29_999]) {
    same(
      meansRate(step + 1, 30_000, RATES.means, 1) / meansRate(step, 30_000, RATES.means, 1),
      0.9998465061085267,
    );
  }
  // Product of the factors as the scheduler multiplies them.
  let rate = 1.6e-4;
  for (let step = 0; step < 7000; step++) rate *= 0.01 ** (1 / 7000);
  assert.ok(Math.abs(meansRate(7000, 7000, 1.6e-4, 1) / rate - 1) < 1e-9);
});

test('SH degrees rise every 1000 steps, and in shorter runs every seventh of them', () => {
  const rises = (steps: number, interval?: number) =>
    [1, 2, 3].map((degree) =>
      Array.from({ length: steps }, (_, step) => step).findIndex(
        (step) => shDegreeAt(step, steps, 3, interval) === degree,
      ),
    );
  assert.equal(rises(30_000), [1000, 2000, 3000]);
  assert.equal(rises(7000), [1000, 2000, 3000]);
  assert.equal(rises(700), [100, 200, 300]);
  assert.equal(rises(100), [15, 30, 45], 'a seventh, rounded up');
  assert.equal(rises(7000, 250), [250, 500, 750]);
  assert.is(shDegreeAt(0, 7000, 3), 0);
  assert.is(shDegreeAt(29_999, 30_000, 3), 3);
  assert.is(shDegreeAt(29_999, 30_000, 1), 1, 'never above what the splat stores');
  assert.is(shDegreeAt(0, 7000, 2, 0), 2, '0: all bands from the start');
});

test('annealed rates fall by one factor a step from their step on', () => {
  const anneal = { from: 0.8, to: 0.1 };
  assert.is(annealed(5000, 7000, undefined), 1);
  assert.is(annealed(5600, 7000, anneal), 1);
  same(annealed(6300, 7000, anneal), Math.sqrt(0.1));
  same(annealed(7000, 7000, anneal), 0.1);
});

test('the last steps drop no Gaussians', () => {
  assert.is(dropoutAt(0, 1000, 0.1), 0.1);
  assert.is(dropoutAt(979, 1000, 0.1), 0.1);
  assert.is(dropoutAt(980, 1000, 0.1), 0);
});

test('options that are not set have the strategy’s defaults', () => {
  const published = { rates: RATES, anneal: undefined, dropout: 0, shInterval: undefined };
  assert.equal(recipeOf(trainOptions.parse({ strategy: 'default' })), published);
  const own = recipeOf(trainOptions.parse({ strategy: 'budget', rates: { sh: 1 }, dropout: 0 }));
  assert.equal([own.rates.sh, own.dropout, own.shInterval], [1, 0, 0]);
  assert.equal([own.rates.scales, own.anneal], [1e-2, { from: 0.85, to: 0.1 }]);
});

test.run();
