/** The losses of restyling that compare the render with that of the splat before it: structure, tv, photo. */
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { releaseGaussians } from '../stages/artefacts/gaussians.ts';
import { LOSSES, type LossesInput } from '../stages/losses/index.ts';
import type { Loss, LossContext } from '../stages/losses/loss.ts';
import { stylize } from '../stages/stylize/stage.ts';
import type { Arena, Gpu } from '../wgsl/core/index.ts';
import { withGpu } from './helpers/gpu.ts';
import { uniform } from './helpers/numbers.ts';
import { balls, ringDataset } from './helpers/tiny-scene.ts';
import { maskedL1, totalVariation } from './reference/pixel-loss.ts';
import { type RgbaPicture, structure } from './reference/structure.ts';

const model = fileURLToPath(new URL('./data/clip-tiny/', import.meta.url));
const [view] = ringDataset().views;
const { width, height } = view.camera;
const PIXELS = width * height;

const noisy = (seed: number): RgbaPicture => {
  const data = uniform(4 * PIXELS, seed).map((value, i) => 0.3 * value + 0.5 * Math.sin(i / 40) ** 2);
  return { width, height, data };
};
const mask = uniform(PIXELS, 7).map((value) => (value > 0.5 ? value : 0));

const EXPECTED = {
  structure(picture: RgbaPicture, base: RgbaPicture) {
    const { correlation, gradient } = structure(picture, base);
    return { loss: 1 - correlation, gradient };
  },
  tv: totalVariation,
  photo: (picture: RgbaPicture, base: RgbaPicture, keep: boolean) =>
    maskedL1(picture, base, (pixel) => (keep ? mask[pixel] : 1)),
};

/** The unweighted loss, and what it adds to a gradient that is not zero. */
async function measure(gpu: Gpu, loss: Loss, gradient: GPUBuffer) {
  const before = await gpu.readFloats(gradient, 'test');
  loss.prepare?.(0, view);
  gpu.run('test', (recorder) => loss.recordPicture!(recorder, view));
  const words = await gpu.readFloats(loss.metrics.buffer, 'test', loss.metrics.words);
  const after = await gpu.readFloats(gradient, 'test');
  return { metrics: loss.metrics.read(words), added: after.map((value, i) => value - before[i]) };
}

for (const [name, keep] of [
  ['structure', false],
  ['tv', false],
  ['photo', false],
  ['photo', true],
] as const) {
  test(`${name}${keep ? ' in a region' : ''} adds its weighted gradient and reports its loss without the weight`, () =>
    withGpu(async (gpu, arena) => {
      const [picture, base] = [noisy(1), noisy(2)];
      const upload = (role: string, { data }: RgbaPicture) =>
        arena.upload(role, Float32Array.from(data), 'test');
      const gradient = arena.upload('gradient', uniform(4 * PIXELS, 3, -1e-3, 1e-3), 'test');
      const context: LossContext = {
        gpu,
        arena,
        picture: { width, height, color: upload('color', picture), gradient },
        weight: 3,
        base: { color: upload('base', base) },
        keep: keep ? arena.upload('mask', mask, 'test') : undefined,
        texts: { target: new Float32Array(), embed: async () => new Float32Array() },
      };
      assert.equal(LOSSES[name].needs(LOSSES[name].defaults, { seed: 0, crops }), { base: true });
      const { metrics, added } = await measure(
        gpu,
        await LOSSES[name].create(context, LOSSES[name].defaults),
        gradient,
      );
      const expected = EXPECTED[name](picture, base, keep);
      assert.equal(Object.keys(metrics), [name]);
      assert.ok(Math.abs(metrics[name] / expected.loss - 1) < 1e-4, `${metrics[name]}, not ${expected.loss}`);
      let [norm, error] = [0, 0];
      expected.gradient.forEach((wanted, i) => {
        norm += (3 * wanted) ** 2;
        error += (added[i] - 3 * wanted) ** 2;
      });
      assert.ok(norm > 0);
      assert.ok(Math.sqrt(error / norm) < 1e-3, `gradient off by ${Math.sqrt(error / norm)}`);
    }));
}

const crops = { count: 2, scale: [0.5, 1] as [number, number], rotate: 10, flip: true };

/** SH after a few steps of restyling. */
async function restyled(gpu: Gpu, arena: Arena, losses: LossesInput): Promise<Float32Array> {
  const dataset = ringDataset();
  // Views of several sizes: a picture's row stride is its own.
  dataset.views[1].camera = { ...dataset.views[1].camera, width: 24, height: 33 };
  const gaussians = balls(arena, 'base');
  const options = { prompt: 'a robot', model, steps: 20, crops, losses, background: 'random' as const };
  const styled = await stylize(gpu, { dataset, gaussians }, options, { seed: 5 });
  const sh = await gpu.readFloats(styled.sh, 'test');
  releaseGaussians(styled);
  return sh;
}

test('restyling with all of them repeats to the bit, and photo keeps the splat near its base', () =>
  withGpu(async (gpu, arena) => {
    const base = await gpu.readFloats(balls(arena, 'base').sh, 'test');
    const free = await restyled(gpu, arena, {});
    const all = await restyled(gpu, arena, { structure: 1, tv: 1, photo: 1 });
    assert.equal(await restyled(gpu, arena, { structure: 1, tv: 1, photo: 1 }), all);
    const held = await restyled(gpu, arena, { photo: 1000 });
    const moved = (sh: Float32Array) => Math.hypot(...sh.map((value, i) => value - base[i]));
    assert.ok(moved(held) < 0.5 * moved(free), `${moved(held)} of ${moved(free)}`);
    assert.not.equal(all, free);
  }));

test.run();
