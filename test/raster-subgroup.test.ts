import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Gpu, KernelTarget } from '../wgsl/core/index.ts';
import { ParameterGradients } from '../wgsl/splat/parameter-gradients.ts';
import { BUCKET } from '../wgsl/splat/raster-shape.ts';
import { Rasterizer } from '../wgsl/splat/rasterizer.ts';
import { RasterizerBackward } from '../wgsl/splat/rasterizer-backward.ts';
import { testGpu, withGpu } from './helpers/gpu.ts';
import { rasterScene, referenceCamera } from './helpers/raster-scene.ts';
import { testUnless } from './helpers/skip.ts';
import type { Row } from './reference/layout.ts';
import { gradientRow, pictureRow } from './reference/layouts/compare.ts';
import { type RasterCase, type Rasterized, rasterize, uploadSplat } from './reference/layouts/raster.ts';
import { RasterReference } from './reference/raster.ts';

// The kernels for subgroups, also on adapters that do without them by default. An argument is the only side of tiles to try.

const TILES = process.argv[2] ? [Number(process.argv[2])] : [8, 16];
const PARAMETERS = ['means', 'logScales', 'quats', 'opacityLogits', 'sh'] as const;
const PICTURE = { tolerance: 2e-5, outlierTolerance: 1e-2, outlierShare: 0.0003, minOutliers: 2 };

/** Why the kernels cannot run here. */
const unsupported = (await testGpu()).supports('subgroup')
  ? undefined
  : 'this adapter has no subgroups of one size up to 32';

function compare(found: Rasterized, scene: RasterCase): Row[] {
  const judge = new RasterReference(scene.splat, referenceCamera(scene), scene.background, scene.shDegree);
  const gradients = judge.backward(scene.weightImage, scene.weightAlpha);
  return [
    pictureRow('image', found.image, judge.picture.image, 3, PICTURE),
    pictureRow('alpha', found.alpha, judge.picture.alpha, 1, PICTURE),
    ...PARAMETERS.map((name) =>
      gradientRow(name, found.gradients[name], gradients[name], { l2: 5e-4, largest: 5e-4 }),
    ),
  ];
}

const SCENES = [
  { seed: 1, count: 400, width: 61, height: 37, shDegree: 0 },
  // Nothing shines through a wall of opaque splats: whole buckets behind every pixel's last splat.
  { seed: 5, count: 600, width: 24, height: 24, shDegree: 0, opacityLogits: [3, 12], logScales: [-2, 0] },
  // Barely there: many buckets deep, and the cut at 1/255.
  {
    seed: 6,
    count: 700,
    width: 31,
    height: 31,
    shDegree: 0,
    opacityLogits: [-6, -3.5],
    logScales: [-2.5, 0.5],
  },
  { seed: 7, count: 3, width: 1, height: 1, shDegree: 0, logScales: [0, 1] },
] as const;

for (const tile of TILES) {
  for (const options of SCENES) {
    const { count, width, height } = options;
    testUnless(test, unsupported, `subgroups, tiles of ${tile}: ${count} Gaussians, ${width}×${height}`, () =>
      withGpu(async (gpu) => {
        const scene = rasterScene({ ...options } as Parameters<typeof rasterScene>[0]);
        const rows = compare(await rasterize(gpu, scene, { tile, target: 'subgroup' }), scene);
        const failed = rows.filter(({ pass }) => !pass);
        assert.is(failed.length, 0, failed.map(({ tensor, error }) => `${tensor}: ${error}`).join('; '));
      }),
    );
  }
}

testUnless(
  test,
  unsupported,
  'with subgroups depth is as without, and a picture as when gradients are to follow',
  () =>
    withGpu(async (gpu, arena) => {
      const scene = rasterScene({ seed: 21, count: 300, width: 45, height: 29, shDegree: 0 });
      const { width, height } = scene.camera;
      const draw = async (shape: { target: KernelTarget; backward: boolean }) => {
        const engine = await Rasterizer.create(gpu, arena, {
          label: 'rasterizer',
          gaussians: uploadSplat(arena, scene.splat),
          gaussianCount: arena.upload('gaussianCount', new Uint32Array([300]), 'test'),
          rows: 300,
          shDegree: 0,
          width,
          height,
          intersections: 20_000,
          depth: true,
          tile: TILES[TILES.length - 1],
          ...shape,
        });
        engine.setView(scene.camera, { background: scene.background });
        gpu.run('test', (recorder) => engine.record(recorder));
        const color = await gpu.readFloats(engine.color, 'test');
        return { engine, color, depth: await gpu.readFloats(engine.depth, 'test') };
      };
      const plain = await draw({ target: 'portable', backward: true });
      const blocks = await draw({ target: 'subgroup', backward: true });
      const picture = await draw({ target: 'subgroup', backward: false });
      assert.equal(picture.color, blocks.color);
      assert.equal(picture.depth, blocks.depth);
      assert.ok(plain.depth.some((z) => z > 0));
      const far = plain.depth.filter((z, i) => !(Math.abs(z - blocks.depth[i]) <= 1e-4 * (1 + z)));
      assert.ok(far.length <= 2, `${far.length} pixels`);
      assert.ok(picture.engine.internals.buckets!.states.size <= 16, 'and no room for states');
      const message = await RasterizerBackward.create(gpu, arena, picture.engine).then(() => '', String);
      assert.match(message, /was created without `backward`/);
    }),
);

/** All that emit and the backward pass leave of one view, or of several in turn the last one's. */
async function leftBy(gpu: Gpu, target: KernelTarget, eyes: readonly number[]) {
  const arena = gpu.arena('left');
  const scene = rasterScene({
    seed: 20,
    count: 900,
    width: 71,
    height: 43,
    shDegree: 0,
    logScales: [-3, 0.5],
  });
  const { width, height } = scene.camera;
  const engine = await Rasterizer.create(gpu, arena, {
    label: 'rasterizer',
    gaussians: uploadSplat(arena, scene.splat),
    gaussianCount: arena.upload('gaussianCount', new Uint32Array([900]), 'test'),
    rows: 900,
    shDegree: 0,
    width,
    height,
    intersections: 60_000,
    tile: 16,
    target,
  });
  const backward = await RasterizerBackward.create(gpu, arena, engine);
  const written = await ParameterGradients.create(gpu, arena, engine, backward);
  const gradient = Float32Array.from({ length: 4 * width * height }, (_, i) => Math.sin(i / 50));
  gpu.write(backward.gradImage, gradient, 'test');
  for (const x of eyes) {
    const viewmat = [...scene.camera.viewmat];
    viewmat[3] += x;
    engine.setView({ ...scene.camera, viewmat });
    gpu.run('test', (recorder) => {
      engine.record(recorder);
      backward.record(recorder);
      written.record(recorder);
    });
  }
  const { tileStarts, sortedIntersections, gaussianFromIntersection, intersectionFromGaussian } =
    engine.internals;
  const starts = await gpu.readWords(tileStarts, 'test');
  const intersections = starts[starts.length - 1];
  const left = {
    starts,
    sortedIntersections: await gpu.readWords(sortedIntersections, 'test', intersections),
    gaussianFromIntersection: await gpu.readWords(gaussianFromIntersection, 'test', intersections),
    intersectionFromGaussian: await gpu.readWords(intersectionFromGaussian, 'test'),
    means: await gpu.readFloats(written.gradients.means, 'test'),
  };
  arena.destroy();
  return left;
}

testUnless(test, unsupported, 'with subgroups the intersections are the same', () =>
  withGpu(async (gpu) => {
    const { means: _, ...plain } = await leftBy(gpu, 'portable', [0]);
    const { means: __, ...blocks } = await leftBy(gpu, 'subgroup', [0]);
    const deepest = Math.max(...plain.starts.slice(1).map((start, i) => start - plain.starts[i]));
    assert.ok(deepest > 2 * BUCKET, `several buckets a tile: ${deepest} intersections`);
    assert.equal(blocks, plain);
  }),
);

testUnless(
  test,
  unsupported,
  'with subgroups a view’s gradients are the same bytes again, whatever the views before it left',
  () =>
    withGpu(async (gpu) => {
      const { means } = await leftBy(gpu, 'subgroup', [0]);
      assert.ok(means.some((value) => value !== 0));
      assert.equal((await leftBy(gpu, 'subgroup', [0.3, -0.4, 0])).means, means);
    }),
);

test.run();
