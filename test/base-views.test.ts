import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Vec3 } from '../stages/artefacts/camera.ts';
import { BaseViews, checkBaseViews } from '../stages/losses/base-views.ts';
import { HalfPictures } from '../wgsl/image/half-picture.ts';
import { SplatRenderer } from '../wgsl/splat/renderer.ts';
import { withGpu } from './helpers/gpu.ts';
import { uniform } from './helpers/numbers.ts';
import { balls, ringDataset } from './helpers/tiny-scene.ts';
import { composited } from './reference/half-picture.ts';

/** Twice the spacing of f16 relative to a value: WGSL lets drivers round either way. */
const F16_ERROR = 2 ** -10;

test('packs a picture in half precision and composites it over a background', () =>
  withGpu(async (gpu, arena) => {
    const pixels = 1000;
    const given = uniform(4 * pixels, 3, 0, 1.2);
    const picture = arena.upload('picture', given, 'test');
    const pictures = await HalfPictures.create(gpu, arena, picture);
    const halves = arena.upload('halves', new Uint32Array(2 * pixels + 2).fill(77), 'test');
    const bound = pictures.bind(halves, pixels);
    const background = [0.2, 0.9, 0.5];
    pictures.set(bound, background);
    gpu.run('test', (recorder) => {
      pictures.recordPack(recorder, bound);
      recorder.clear(picture);
      pictures.recordComposite(recorder, bound);
    });
    const found = await gpu.readFloats(picture, 'test');
    const expected = composited(given, background);
    for (let i = 0; i < expected.length; i++) {
      // Rounding of the colour and, times the background, of alpha.
      const bound = F16_ERROR * 2.4;
      assert.ok(Math.abs(found[i] - expected[i]) < bound, `${i}: ${found[i]}, expected ${expected[i]}`);
    }
    assert.equal([...(await gpu.readWords(halves, 'test')).slice(2 * pixels)], [77, 77]);
  }));

test('the base of a view is its render over the background of the step', () =>
  withGpu(async (gpu, arena) => {
    const { views } = ringDataset();
    // Views of several sizes share one picture.
    views[1].camera = { ...views[1].camera, width: 24, height: 33 };
    const gaussians = balls(arena, 'base');
    const base = await BaseViews.create(gpu, gaussians, views);
    const again = await BaseViews.create(gpu, gaussians, views);
    const renderer = await SplatRenderer.create(gpu, 'test/renderer');
    const color = arena.buffer('color', 16 * 1600);
    for (const [i, background] of [
      [0, [1, 1, 1]],
      [1, [0.1, 0.6, 0.3]],
      [7, [0, 0, 0]],
      [1, [0, 0, 1]],
    ] as [number, Vec3][]) {
      const view = views[i];
      const floats = 4 * view.camera.width * view.camera.height;
      const pictureOf = async (of: BaseViews) => {
        of.prepare(view, background);
        gpu.run('test', (recorder) => of.record(recorder, view));
        return gpu.readFloats(of.color, 'test', floats);
      };
      const found = await pictureOf(base);
      assert.equal(found, await pictureOf(again), 'another run gives the same bits');
      await renderer.render(gaussians, view.camera, { color }, { background });
      const expected = await gpu.readFloats(color, 'test', floats);
      let covered = 0;
      expected.forEach((value, at) => {
        assert.ok(Math.abs(found[at] - value) < 2e-3, `view ${i}, ${at}: ${found[at]}, expected ${value}`);
        if (at % 4 === 3 && value > 0.5) covered++;
      });
      assert.ok(covered > 50, `${covered} pixels show the splat`);
    }
    const other = { ...views[0], name: 'other' };
    assert.throws(() => base.prepare(other, [0, 0, 0]), /no render of view other/);
    for (const part of [base, again, renderer]) part.destroy();
  }));

test('renders that do not fit are refused with the option that makes them smaller', () => {
  const { views } = ringDataset();
  checkBaseViews(views, 8 * 40 * 40 * 8);
  assert.throws(
    () => checkBaseViews(views, 2 * 40 * 40 * 8),
    /8 views of up to 40×40 .* 1 MiB on the GPU.* smaller by 2 at least \(load.downscale\)/,
  );
});

test.run();
