import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { testGpu, withGpu } from './helpers/gpu.ts';
import { rasterScene, referenceCamera, shapesOf } from './helpers/raster-scene.ts';
import { gradientRow, pictureRow } from './reference/layouts/compare.ts';
import { rasterize } from './reference/layouts/raster.ts';
import { RasterReference } from './reference/raster.ts';

// Splats of many tiles are counted and summed by whole workgroups: a few among small ones, and more than fit in their list.
const SCENES = [
  { what: 'some', seed: 21, count: 300, width: 150, height: 101, shDegree: 1, logScales: [-4.5, 0.5] },
  { what: 'many', seed: 22, count: 270, width: 149, height: 98, shDegree: 0, logScales: [-0.7, 0.8] },
] as const;

const { target } = await testGpu();
const shapes = shapesOf(await testGpu()).filter(
  (shape) => shape.target !== 'subgroup' || target === 'subgroup',
);

for (const { what, ...options } of SCENES) {
  for (const shape of shapes) {
    test(`${shape.target}: ${what} splats cover many tiles: picture and gradients as the reference's`, () =>
      withGpu(async (gpu) => {
        const scene = rasterScene({ ...options, logScales: [...options.logScales], opacityLogits: [-4, 0] });
        const { splat, background, shDegree } = scene;
        const judge = new RasterReference(splat, referenceCamera(scene), background, shDegree);
        const gradients = judge.backward(scene.weightImage, scene.weightAlpha);
        const found = await rasterize(gpu, scene, shape);
        const picture = { tolerance: 2e-5, outlierTolerance: 1e-2, outlierShare: 0.0003, minOutliers: 2 };
        const rows = [
          pictureRow('image', found.image, judge.picture.image, 3, picture),
          pictureRow('alpha', found.alpha, judge.picture.alpha, 1, picture),
          ...(['means', 'logScales', 'quats', 'opacityLogits', 'sh'] as const).map((name) =>
            gradientRow(name, found.gradients[name], gradients[name], { l2: 1e-3, largest: 1.5e-3 }),
          ),
        ];
        assert.equal(
          rows.filter(({ pass }) => !pass),
          [],
        );
        assert.equal((await rasterize(gpu, scene, shape)).gradients, found.gradients, 'the same bytes');
      }));
  }
}

test.run();
