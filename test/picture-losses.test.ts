/** The losses of restyling that compare the render with that of the splat before it: structure, tv, photo. */
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Vec3 } from '../stages/artefacts/camera.ts';
import { releaseGaussians } from '../stages/artefacts/gaussians.ts';
import { LOSSES } from '../stages/losses/index.ts';
import type { Loss, LossContext } from '../stages/losses/loss.ts';
import { RegionMasks } from '../stages/regions/masks.ts';
import { type StylizeInput, stylize } from '../stages/stylize/stage.ts';
import type { Arena, Gpu } from '../wgsl/core/index.ts';
import { SplatRenderer } from '../wgsl/splat/renderer.ts';
import { withGpu } from './helpers/gpu.ts';
import { uniform } from './helpers/numbers.ts';
import { recordingReport } from './helpers/report.ts';
import { throwsInput } from './helpers/throws.ts';
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
/** Levels of 8 bits, half of them 0. */
const mask = uniform(PIXELS, 7, 0, 255).map((value) => (value > 127 ? Math.round(value) : 0));

const EXPECTED = {
  structure(picture: RgbaPicture, base: RgbaPicture) {
    const { correlation, gradient } = structure(picture, base);
    return { loss: 1 - correlation, gradient };
  },
  tv: totalVariation,
  photo: (picture: RgbaPicture, base: RgbaPicture, keep: boolean) =>
    maskedL1(picture, base, (pixel) => (keep ? mask[pixel] / 255 : 1)),
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
      const maskBuffer = arena.upload('mask', Uint32Array.from(mask), 'test');
      const context: LossContext = {
        gpu,
        arena,
        picture: { width, height, color: upload('color', picture), gradient },
        weight: 3,
        base: { color: upload('base', base) },
        keep: keep ? () => maskBuffer : undefined,
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
async function restyled(
  gpu: Gpu,
  arena: Arena,
  losses: StylizeInput['losses'],
  { steps = 20, report = recordingReport() } = {},
): Promise<Float32Array> {
  const dataset = ringDataset();
  // Views of several sizes: a picture's row stride is its own.
  dataset.views[1].camera = { ...dataset.views[1].camera, width: 24, height: 33 };
  const gaussians = balls(arena, 'base');
  const target = { prompt: 'a robot', model, preset: 'paper', background: 'random' } as const;
  const options = { ...target, steps, crops, losses };
  const styled = await stylize(gpu, { dataset, gaussians }, options, { seed: 5, report });
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

test('the mask of a region is how much of each pixel shows it', () =>
  withGpu(async (gpu, arena) => {
    const { views } = ringDataset();
    views[1].camera = { ...views[1].camera, width: 24, height: 33 };
    const gaussians = balls(arena, 'base');
    const weights = arena.upload(
      'weights',
      Float32Array.from({ length: 8 }, (_, i) => Number(!i)),
      'test',
    );
    const live = gpu.liveBytes;
    const masks = await RegionMasks.create(gpu, gaussians, weights, views);
    const renderer = await SplatRenderer.create(gpu, 'test/renderer');
    const color = arena.buffer('color', 16 * PIXELS);
    for (const view of views) {
      const pixels = view.camera.width * view.camera.height;
      const found = await gpu.readWords(masks.of(view), 'test', pixels);
      // Only the ball in the region has red, so the red channel of a render is the mask, occlusion included.
      await renderer.render(gaussians, view.camera, { color });
      const expected = await gpu.readFloats(color, 'test', 4 * pixels);
      const levels = found.map((word) => word & 0xff);
      const worst = levels.reduce(
        (most, level, i) => Math.max(most, Math.abs(level - 255 * expected[4 * i])),
        0,
      );
      assert.ok(worst < 0.51, `${worst} levels`);
      assert.ok(levels.some((level) => level > 200) && levels.some((level) => level === 0));
    }
    assert.throws(() => masks.of({ ...views[0] }), /no mask of view ring-0/);
    await throwsInput(
      () => RegionMasks.create(gpu, gaussians, weights, views, PIXELS),
      'masks of a region of 8 views of up to 40×40 need 1 MiB',
      'load.downscale',
    );
    masks.destroy();
    renderer.destroy();
    assert.is(gpu.liveBytes, live + 16 * PIXELS, 'all buffers are freed');
  }));

test('photo in a region keeps what it shows near its base, and leaves the rest to the other losses', () =>
  withGpu(async (gpu, arena) => {
    const base = await gpu.readFloats(balls(arena, 'base').sh, 'test');
    const moved = (sh: Float32Array, ball: number) =>
      Math.hypot(...sh.subarray(3 * ball, 3 * ball + 3).map((value, i) => value - base[3 * ball + i]));
    const report = recordingReport();
    const photo = (center: Vec3) => ({ photo: { weight: 10, keep: { sphere: { center, radius: 0.3 } } } });
    const after = (losses: StylizeInput['losses']) => restyled(gpu, arena, losses, { steps: 10, report });
    const free = await after({});
    const green = await after(photo([0, -0.6, 0]));
    assert.equal(await after(photo([0, -0.6, 0])), green, 'the same bits again');
    const ratios = Array.from({ length: 8 }, (_, ball) => moved(green, ball) / moved(free, ball));
    assert.ok(ratios[1] < 0.3, `the green ball: ${ratios[1]}`);
    for (const ratio of ratios.slice(2)) assert.ok(Math.abs(ratio - 1) < 0.05, `the blue balls: ${ratios}`);
    assert.equal(await after(photo([99, 0, 0])), free, 'an empty region keeps nothing');
    const counts = [...report.notes, ...report.warnings].map((text) => text.match(/keep: (\d of 8)/)?.[1]);
    assert.equal(counts.filter(Boolean), ['1 of 8', '1 of 8', '0 of 8']);
    assert.match(report.warnings.join(), /in the region, so photo has no effect; regions are in world units/);
  }));

test.run();
