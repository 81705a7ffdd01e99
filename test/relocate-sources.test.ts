import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { RelocateSources } from '../wgsl/splat/densify/relocate-sources.ts';
import { assertClose } from './helpers/close.ts';
import { withGpu } from './helpers/gpu.ts';
import { uniform } from './helpers/numbers.ts';
import { relocation } from './reference/relocate-sources.ts';

/** Every opacity with every ratio; 0 draws and more than the table of 51 among them. */
const OPACITIES = [0.006, 0.05, 0.3, 0.7, 0.9, 0.99, 0.999];
const DRAWN = [0, 1, 2, 3, 7, 20, 50, 80];
const cases = OPACITIES.flatMap((opacity) => DRAWN.map((drawn) => ({ opacity, drawn })));
const COUNT = cases.length;

test('opacity and scale by the relocation formula', () =>
  withGpu(async (gpu, arena) => {
    const logits = Float32Array.from(cases, ({ opacity }) => Math.log(opacity / (1 - opacity)));
    const scales = uniform(3 * COUNT, 1, -5, 0);
    const buffers = {
      drawn: arena.upload(
        'drawn',
        Uint32Array.from(cases, ({ drawn }) => drawn),
        'test',
      ),
      opacityLogits: arena.upload('logits', logits, 'test'),
      logScales: arena.upload('scales', scales, 'test'),
    };
    const kernel = await RelocateSources.create(arena, COUNT, 0.005, buffers);
    gpu.run('test', (recorder) => kernel.record(recorder));
    const newLogits = await gpu.readFloats(buffers.opacityLogits, 'test', COUNT);
    const newScales = await gpu.readFloats(buffers.logScales, 'test', 3 * COUNT);
    cases.forEach(({ opacity, drawn }, row) => {
      const what = `opacity ${opacity}, drawn ${drawn}`;
      const own = { logit: newLogits[row], scales: newScales.subarray(3 * row, 3 * row + 3) };
      if (drawn === 0) {
        assert.is(own.logit, logits[row], what);
        assert.equal(own.scales, scales.subarray(3 * row, 3 * row + 3), what);
        return;
      }
      const expected = relocation(opacity, drawn + 1, 0.005);
      assertClose([1 / (1 + Math.exp(-own.logit))], [expected.opacity], { relative: 5e-5 }, what);
      // The alternating sum cancels where many copies share an opacity near 1.
      const relative = opacity > 0.9 && drawn > 20 ? 2e-3 : 1e-4;
      const shrunk = Array.from(own.scales, (value, i) => Math.exp(value - scales[3 * row + i]));
      assertClose(shrunk, Array(3).fill(expected.shrink), { relative }, what);
    });
  }));

test('the reference satisfies the formula: the copies together are as opaque as the original', () => {
  for (const opacity of OPACITIES.slice(2)) {
    const { opacity: shared, shrink } = relocation(opacity, 4, 0.005);
    assert.ok(Math.abs(1 - (1 - shared) ** 4 - opacity) < 1e-12);
    // Along a line through the centre, ∫ 1 − (1 − p e^{−x²/2s²})⁴ dx = ∫ o e^{−x²/2} dx.
    const integral = (f: (x: number) => number) =>
      Array.from({ length: 4001 }, (_, i) => f((i - 2000) / 100) / 100).reduce((sum, y) => sum + y, 0);
    const copies = integral((x) => 1 - (1 - shared * Math.exp(-(x ** 2) / 2 / shrink ** 2)) ** 4);
    const one = integral((x) => opacity * Math.exp(-(x ** 2) / 2));
    assert.ok(Math.abs(copies / one - 1) < 1e-6, `${copies} and ${one}`);
  }
});

test.run();
