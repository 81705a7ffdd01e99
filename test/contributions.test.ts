import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { contributionsOf } from '../wgsl/splat/contributions.ts';
import { withGpu } from './helpers/gpu.ts';
import { rasterScene, referenceCamera } from './helpers/raster-scene.ts';
import { uploadSplat } from './reference/layouts/raster.ts';
import { RasterReference } from './reference/raster.ts';

const COUNT = 120;
const near = rasterScene({ seed: 3, count: COUNT, width: 43, height: 31, shDegree: 0 });
/** The same splat from a smaller camera. */
const small = { ...near, camera: { ...near.camera, width: 20, height: 30, cx: 12, cy: 9 } };

function expected(given: typeof near, antialias: boolean): Float64Array {
  const reference = new RasterReference(given.splat, referenceCamera(given), [0, 0, 0], 0, antialias);
  assert.ok(reference.margin > 1e-6, 'no pixel is decided by rounding');
  return reference.contributions();
}

for (const antialias of [false, true]) {
  const how = antialias ? 'with antialiasing' : 'without antialiasing';
  test(`${how}: blending weights summed over the pixels of two views, which repeat to the byte`, () =>
    withGpu(async (gpu, arena) => {
      const gaussians = { ...uploadSplat(arena, near.splat), count: COUNT, shDegree: 0, antialias };
      const cameras = [near.camera, small.camera];
      const first = await contributionsOf(gpu, gaussians, cameras);
      const second = await contributionsOf(gpu, gaussians, cameras);
      const found = await gpu.readFloats(first, 'test', COUNT);
      assert.equal(found, await gpu.readFloats(second, 'test', COUNT));
      const [one, two] = [expected(near, antialias), expected(small, antialias)];
      for (let i = 0; i < COUNT; i++) {
        const sum = one[i] + two[i];
        assert.ok(Math.abs(found[i] - sum) <= 2e-4 * (1 + sum), `Gaussian ${i}: ${found[i]}, not ${sum}`);
      }
      assert.ok(one.filter((value) => value > 1).length > 20, 'enough was compared');
      assert.ok(
        found.some((value) => value === 0),
        'some are never seen',
      );
      for (const buffer of [first, second]) buffer.destroy();
    }));
}

test('a view with more intersections than the buffers hold counts once', () =>
  withGpu(async (gpu, arena) => {
    // Every Gaussian covers all tiles of a large picture: 512 × 512 pixels have 1024 tiles or more.
    const scene = rasterScene({
      seed: 5,
      count: 80,
      width: 512,
      height: 512,
      shDegree: 0,
      logScales: [1, 2],
    });
    const gaussians = { ...uploadSplat(arena, scene.splat), count: 80, shDegree: 0 };
    const { camera } = scene;
    const one = await contributionsOf(gpu, gaussians, [camera]);
    const two = await contributionsOf(gpu, gaussians, [camera, camera]);
    const [once, twice] = [await gpu.readFloats(one, 'test', 80), await gpu.readFloats(two, 'test', 80)];
    const total = once.reduce((sum, value) => sum + value, 0);
    assert.ok(total > 0.5 * 512 * 512 && total <= 512 * 512, `${total}`);
    assert.ok(
      once.every((value, i) => Math.abs(twice[i] - 2 * value) <= 1e-3 * value),
      'the view that failed is added once',
    );
    for (const buffer of [one, two]) buffer.destroy();
  }));

test.run();
