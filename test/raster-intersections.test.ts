import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Arena, type Gpu, random4 } from '../wgsl/core/index.ts';
import { ParameterGradients } from '../wgsl/splat/parameter-gradients.ts';
import { Rasterizer } from '../wgsl/splat/rasterizer.ts';
import { RasterizerBackward } from '../wgsl/splat/rasterizer-backward.ts';
import { RASTER_COUNTER_WORDS, RASTER_COUNTERS } from '../wgsl/splat/types.ts';
import { testGpu, withGpu } from './helpers/gpu.ts';
import { rasterScene, referenceCamera, shapesOf } from './helpers/raster-scene.ts';
import { touch } from './reference/intersections.ts';
import { type RasterShape, uploadSplat } from './reference/layouts/raster.ts';
import { project } from './reference/project.ts';
import { gaussiansOf } from './reference/raster.ts';

const COUNT = 500;
const SCENE = rasterScene({ seed: 20, count: COUNT, width: 71, height: 43, shDegree: 0 });

async function rasterizer(gpu: Gpu, arena: Arena, intersections: number, shape: RasterShape = {}) {
  const gaussianCount = arena.upload('gaussianCount', new Uint32Array([COUNT]), 'test');
  const engine = await Rasterizer.create(gpu, arena, {
    label: 'rasterizer',
    gaussians: uploadSplat(arena, SCENE.splat),
    gaussianCount,
    rows: COUNT,
    shDegree: 0,
    width: SCENE.camera.width,
    height: SCENE.camera.height,
    intersections,
    ...shape,
  });
  const run = async (step: number) => {
    engine.setView(SCENE.camera, { step });
    gpu.run('test', (recorder) => engine.record(recorder));
    return {
      counters: await gpu.readWords(engine.rasterCounters, 'test', RASTER_COUNTER_WORDS),
      gaussianCount: await gpu.readWords(gaussianCount, 'test', 1),
    };
  };
  return { engine, run };
}

for (const shape of shapesOf(await testGpu())) {
  const { target, tile } = shape;
  test(`${target}: tiles of ${tile} get their splats, each once, nearest first`, () =>
    withGpu(async (gpu, arena) => {
      const { engine, run } = await rasterizer(gpu, arena, 40_000, shape);
      const { counters } = await run(0);
      const read = (
        name:
          | 'tileCounts'
          | 'tileStarts'
          | 'sortedIntersections'
          | 'gaussianFromIntersection'
          | 'intersectionFromGaussian',
      ) => gpu.readWords(engine.internals[name], 'test');
      const splats = await gpu.readFloats(engine.internals.projected, 'test');
      const tileCounts = await read('tileCounts');
      const tileStarts = await read('tileStarts');
      const sortedIntersections = await read('sortedIntersections');
      const gaussianFromIntersection = await read('gaussianFromIntersection');
      const intersectionFromGaussian = await read('intersectionFromGaussian');
      const { width, height } = SCENE.camera;
      const columns = Math.ceil(width / tile);
      const tiles = columns * Math.ceil(height / tile);
      const intersections = counters[RASTER_COUNTERS.INTERSECTIONS];

      const expected = gaussiansOf(SCENE.splat).map((row) => project(row, referenceCamera(SCENE), 0));
      const visible = Array.from({ length: COUNT }, (_, i) => i).filter((i) => tileCounts[i] > 0);
      assert.is(counters[RASTER_COUNTERS.VISIBLE], visible.length);
      assert.is(
        intersections,
        visible.reduce((sum, i) => sum + tileCounts[i], 0),
      );
      assert.ok(visible.length > 150 && intersections > 2 * visible.length, 'enough was compared');
      assert.ok(
        visible.every((i) => expected[i]),
        'what is culled has no tiles',
      );

      // Depth order: a Gaussian's intersections begin where those of the nearer ones end.
      const depth = (i: number) => splats[12 * i + 9];
      const order = [...visible].sort((a, b) => depth(a) - depth(b) || a - b);
      let begin = 0;
      for (const i of order) {
        assert.is(intersectionFromGaussian[i], begin);
        for (let k = 0; k < tileCounts[i]; k++) assert.is(gaussianFromIntersection[begin + k], i);
        begin += tileCounts[i];
        assert.ok(Math.abs(depth(i) - expected[i]!.depth) < 1e-5);
      }

      const rank = new Map(order.map((i, place) => [i, place]));
      const wrong: string[] = [];
      for (let t = 0; t < tiles; t++) {
        const list = Array.from(
          { length: tileStarts[t + 1] - tileStarts[t] },
          (_, k) => gaussianFromIntersection[sortedIntersections[tileStarts[t] + k]],
        );
        if (!list.every((i, k) => k === 0 || rank.get(i)! > rank.get(list[k - 1])!))
          wrong.push(`tile ${t}: order`);
        const here = new Set(list);
        const place = { x: t % columns, y: Math.floor(t / columns), size: tile };
        for (const [i, splat] of expected.entries()) {
          if (!splat) continue;
          const { must, may } = touch(splat, place, { width, height });
          if (must && !here.has(i)) wrong.push(`tile ${t} lacks ${i}`);
          if (!may && here.has(i)) wrong.push(`tile ${t} has ${i}`);
        }
      }
      assert.equal(wrong, []);
      assert.is(tileStarts[0], 0);
      assert.is(tileStarts[tiles], intersections, 'no intersection was left over');
    }));
}

test('intersections beyond the capacity latch the step, and nothing runs until the host has responded', () =>
  withGpu(async (gpu, arena) => {
    const roomy = await rasterizer(gpu, arena, 40_000);
    const { counters } = await roomy.run(0);
    const needed = counters[RASTER_COUNTERS.WANTED];
    const exact = await rasterizer(gpu, arena, needed);
    const enough = await exact.run(3);
    assert.is(enough.counters[RASTER_COUNTERS.FAILED], 0);
    assert.is(enough.counters[RASTER_COUNTERS.INTERSECTIONS], needed);
    assert.equal([...enough.gaussianCount], [COUNT]);

    const tight = await rasterizer(gpu, arena, needed - 1);
    for (const step of [5, 6]) {
      const failed = await tight.run(step);
      assert.is(failed.counters[RASTER_COUNTERS.FAILED], 1 + 5, 'the first step that failed');
      assert.is(failed.counters[RASTER_COUNTERS.NEEDED], needed);
      assert.is(failed.counters[RASTER_COUNTERS.INTERSECTIONS], 0);
      assert.equal([...failed.gaussianCount], [0]);
    }
  }));

/** Streaks of hundreds of pixels by half a pixel, aslant: their conics lose the digits that a covariance would need. */
function streaks(count: number): typeof SCENE.splat {
  const random = (i: number) => random4(20, 'init', 0, i);
  const rows = Array.from({ length: count }, (_, i) => random(i));
  return {
    means: Float32Array.from(rows.flatMap(([x, y, z]) => [20 * x - 10, 15 * y - 7.5, 5 + z])),
    logScales: Float32Array.from(rows.flatMap(() => [Math.log(20), Math.log(1e-3), Math.log(1e-3)])),
    quats: Float32Array.from(
      rows.flatMap(([, , , w]) => {
        const half = Math.PI / 8 + 0.15 * (w - 0.5);
        return [Math.cos(half), 0, 0, Math.sin(half)];
      }),
    ),
    opacityLogits: new Float32Array(count).fill(-5.4),
    sh: new Float32Array(3 * count).fill(1),
  };
}

test('long, thin Gaussians keep all their tiles, and their gradient does not depend on an earlier view', () =>
  withGpu(async (gpu, arena) => {
    const count = 300;
    const [width, height] = [2048, 1536];
    const gradient = Float32Array.from({ length: 4 * width * height }, (_, i) => Math.sin(i / 50));
    const gradientsOf = async (...eyes: number[]) => {
      const splat = uploadSplat(arena, streaks(count));
      const gaussianCount = arena.upload('gaussianCount', new Uint32Array([count]), 'test');
      const options = {
        label: 'streaks',
        gaussians: splat,
        gaussianCount,
        rows: count,
        shDegree: 0,
        width,
        height,
      };
      const forward = await Rasterizer.create(gpu, arena, { ...options, intersections: 1 << 19 });
      const backward = await RasterizerBackward.create(gpu, arena, forward);
      const written = await ParameterGradients.create(gpu, arena, forward, backward);
      gpu.write(backward.gradImage, gradient, 'test');
      for (const x of eyes) {
        const viewmat = [1, 0, 0, x, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];
        forward.setView({ width, height, fx: 500, fy: 500, cx: width / 2, cy: height / 2, viewmat });
        gpu.run('test', (recorder) => {
          forward.record(recorder);
          backward.record(recorder);
          written.record(recorder);
        });
      }
      const counters = await gpu.readWords(forward.rasterCounters, 'test', RASTER_COUNTER_WORDS);
      const tiles = Math.ceil(width / forward.options.tile) * Math.ceil(height / forward.options.tile);
      const starts = await gpu.readWords(forward.internals.tileStarts, 'test');
      assert.ok(counters[RASTER_COUNTERS.INTERSECTIONS] > 10 * count, 'streaks cross many tiles');
      // project gaussianCount with more slack than emit lists with: the places that are left over get zeros each time.
      const leftOver = counters[RASTER_COUNTERS.INTERSECTIONS] - starts[tiles];
      assert.ok(
        leftOver > 0 && leftOver < 0.2 * starts[tiles],
        `${leftOver} of ${starts[tiles]} are left over`,
      );
      return gpu.readFloats(written.gradients.means, 'test', 3 * count);
    };
    assert.equal(await gradientsOf(0, 1.3, 0), await gradientsOf(0));
  }));

test.run();
