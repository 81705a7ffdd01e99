import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { GAUSSIAN_PARAMETERS, parameterWidths } from '../stages/artefacts/gaussians.ts';
import { splitBest } from '../stages/train/strategies/split-best.ts';
import { VACANT_LOGIT } from '../wgsl/splat/densify/split-long-axis.ts';
import { withGpu } from './helpers/gpu.ts';
import { uniform } from './helpers/numbers.ts';
import { type HostRows, hostRows, readMoments, readRows, stateOf } from './helpers/state.ts';
import { assignSources } from './reference/assign-sources.ts';
import { rotationMatrix } from './reference/rotation-matrix.ts';
import { splitHalf } from './reference/split-long-axis.ts';
import { splitScores } from './reference/split-scores.ts';

const SH_DEGREE = 1;
const widths = parameterWidths(SH_DEGREE);
const SPLIT = { narrow: 0.7, share: 0.6 };
const rowOf = (values: Float32Array, width: number, i: number) =>
  Array.from(values.subarray(i * width, (i + 1) * width));

/** Screen gradients, views 0 … 9 and radii; every fifth Gaussian has no gradient, every seventh that of the row before. */
function statisticsOf(count: number): Float32Array {
  const random = uniform(3 * count, 77, 0, 1);
  return Float32Array.from({ length: 3 * count }, (_, i) => {
    const [row, part] = [Math.floor(i / 3), i % 3];
    const same = row % 7 === 6 ? row - 1 : row;
    if (part === 0) return row % 5 === 0 ? 0 : random[3 * same] * 10;
    return part === 1 ? Math.floor(10 * random[3 * same + 1]) : random[i];
  });
}

function checkRow(after: HostRows, i: number, expected: ReturnType<typeof splitHalf>): void {
  rowOf(after.means, 3, i).forEach((x, k) => {
    assert.ok(Math.abs(x - expected.mean[k]) < 1e-5, `mean of ${i}: ${x}, ${expected.mean[k]}`);
  });
  rowOf(after.logScales, 3, i).forEach((x, k) => {
    assert.ok(Math.abs(x - expected.logScale[k]) < 1e-5, `scale of ${i}`);
  });
  const opacity = 1 / (1 + Math.exp(-after.opacityLogits[i]));
  assert.ok(Math.abs(opacity - expected.opacity) < 1e-6, `opacity of ${i}: ${opacity}, ${expected.opacity}`);
}

for (const [count, rows, minOpacity] of [
  [400, 400, 0.005],
  [400, 470, 0.005],
  [400, 470, -1],
  [400, 1200, 0.005],
  [3, 4, 0.005],
  [1, 1, 0.005],
] as const) {
  test(`${count} Gaussians become ${rows}, dead up to ${minOpacity}: as the reference splits them`, () =>
    withGpu(async (gpu, arena) => {
      const before = hostRows(count, SH_DEGREE);
      const statistics = statisticsOf(count);
      const state = stateOf(arena, before, SH_DEGREE);
      const read = () =>
        gpu.ledger.rows().filter(({ direction, purpose }) => direction === 'down' && purpose !== 'test');
      const readBefore = read();
      const minViews = 2;
      const uploaded = arena.upload('statistics', statistics, 'test');
      await splitBest(state, { statistics: uploaded, rows, cap: rows, minOpacity, minViews, ...SPLIT });
      assert.equal(read(), readBefore, 'nothing is read back');
      assert.is(state.count, rows);

      const scores = splitScores(statistics, before.opacityLogits, { deadOpacity: minOpacity, minViews });
      const sources = assignSources(scores, rows);
      if (count > 100) {
        assert.ok(scores.filter((score) => score === null).length > 50);
        assert.ok(sources.filter((source) => source !== null).length > 50);
      }
      const after = await readRows(state);
      const moments = [await readMoments(state, 'm'), await readMoments(state, 'v')];
      for (let i = 0; i < rows; i++) {
        const isSource = sources.includes(i);
        const from = sources[i] ?? i;
        const untouched = from >= count;
        if (sources[i] !== null || isSource) {
          const parent = {
            mean: rowOf(before.means, 3, from),
            logScale: rowOf(before.logScales, 3, from),
            quat: rowOf(before.quats, 4, from),
            opacity: 1 / (1 + Math.exp(-before.opacityLogits[from])),
          };
          checkRow(after, i, splitHalf(parent, isSource ? -1 : 1, SPLIT));
        } else if (untouched) {
          assert.is(after.opacityLogits[i], VACANT_LOGIT);
          assert.equal(rowOf(after.quats, 4, i), [1, 0, 0, 0]);
        } else {
          for (const name of ['means', 'logScales', 'opacityLogits'] as const) {
            assert.equal(rowOf(after[name], widths[name], i), rowOf(before[name], widths[name], i), name);
          }
        }
        const kept = i < count && sources[i] === null && !isSource ? 1 : 0;
        for (const name of GAUSSIAN_PARAMETERS) {
          for (const moment of moments) {
            assert.ok(
              rowOf(moment[name], widths[name], i).every((x) => x === kept),
              `moments of ${name} ${i}`,
            );
          }
          if (untouched) continue;
          if (name === 'quats' || name === 'sh') {
            assert.equal(rowOf(after[name], widths[name], i), rowOf(before[name], widths[name], from), name);
          }
        }
      }
    }));
}

test('the two halves together have their parent’s mean and covariance', () => {
  const parent = { mean: [1, 2, 3], logScale: [-1, -2, 0.5], quat: [0.3, -0.5, 0.7, 0.2], opacity: 0.8 };
  const halves = [-1, 1].map((side) => splitHalf(parent, side, SPLIT));
  const rotation = rotationMatrix(parent.quat);
  const covariance = (logScale: number[], i: number, j: number) =>
    [0, 1, 2].reduce((sum, k) => sum + rotation[i][k] * Math.exp(2 * logScale[k]) * rotation[j][k], 0);
  for (const i of [0, 1, 2]) {
    assert.ok(Math.abs((halves[0].mean[i] + halves[1].mean[i]) / 2 - parent.mean[i]) < 1e-12);
    for (const j of [0, 1, 2]) {
      const spread = halves.reduce(
        (sum, { mean }) => sum + (mean[i] - parent.mean[i]) * (mean[j] - parent.mean[j]),
        0,
      );
      const mixture = covariance(halves[0].logScale, i, j) + spread / 2;
      assert.ok(Math.abs(mixture - covariance(parent.logScale, i, j)) < 1e-12);
    }
  }
});

test.run();
