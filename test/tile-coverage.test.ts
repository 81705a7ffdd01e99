import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Arena, type Gpu, random4 } from '../wgsl/core/index.ts';
import type { RasterShape } from '../wgsl/splat/raster-shape.ts';
import { EMIT, Rasterizer } from '../wgsl/splat/rasterizer.ts';
import { RASTER_COUNTER_WORDS, RASTER_COUNTERS } from '../wgsl/splat/types.ts';
import { testGpu, withGpu } from './helpers/gpu.ts';
import { mixed } from './helpers/numbers.ts';
import { rasterScene, shapesOf } from './helpers/raster-scene.ts';
import { roundedExponent, SLACKS, tilesWithPixels } from './reference/intersections.ts';
import { type RasterCase, uploadSplat } from './reference/layouts/raster.ts';
import { project } from './reference/project.ts';
import { gaussiansOf } from './reference/raster.ts';

// project counts the tiles of a Gaussian and emit lists them, each by its own compilation of one test. Whatever the rounding of either,
// no tile with a visible pixel may be missing, and emit may find no tile that was not counted.

type Splat = RasterCase['splat'];
interface Scene {
  splat: Splat;
  camera: RasterCase['camera'];
}

/** Streaks at 45° of σ 100 to 400 pixels by one pixel, half of them exactly at 45°, of all opacities. */
function streaks(count: number): Scene {
  const [width, height] = [1600, 1200];
  const rows = Array.from({ length: count }, (_, i) => [
    ...random4(5, 'init', 0, i),
    ...random4(5, 'init', 1, i),
  ]);
  const splat = {
    means: Float32Array.from(rows.flatMap(([x, y, z]) => [20 * x - 10, 15 * y - 7.5, 5 + z])),
    // A pixel is 0.01 wide at a depth of 5.
    logScales: Float32Array.from(
      rows.flatMap(([, , , , along, across]) => [
        Math.log(1 + 3 * along),
        ...Array(2).fill(Math.log(0.003 + 0.02 * across)),
      ]),
    ),
    quats: Float32Array.from(
      rows.flatMap(([, , , , , , turn], i) => {
        const half = ((i % 4 < 2 ? 1 : -1) * Math.PI) / 8 + (i % 2 ? 0.1 * (turn - 0.5) : 0);
        return [Math.cos(half), 0, 0, Math.sin(half)];
      }),
    ),
    opacityLogits: Float32Array.from(rows, (row) => -5.5 + 9 * row[7]),
    sh: new Float32Array(3 * count).fill(1),
  };
  const viewmat = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];
  return { splat, camera: { width, height, fx: 500, fy: 500, cx: width / 2, cy: height / 2, viewmat } };
}

const SCENES: Record<string, Scene> = {
  'random ones': rasterScene({
    seed: 51,
    count: 3000,
    width: 700,
    height: 500,
    shDegree: 0,
    logScales: [-6, 0],
  }),
  streaks: streaks(900),
};

async function draw(arena: Arena, { splat, camera }: Scene, shape: RasterShape) {
  const { gpu } = arena;
  const count = splat.opacityLogits.length;
  const forward = await Rasterizer.create(gpu, arena, {
    label: 'coverage',
    gaussians: uploadSplat(arena, splat),
    gaussianCount: arena.upload('gaussianCount', new Uint32Array([count]), 'test'),
    rows: count,
    shDegree: 0,
    width: camera.width,
    height: camera.height,
    intersections: 1 << 20,
    backward: false,
    ...shape,
  });
  forward.setView(camera);
  gpu.run('test', (recorder) => forward.record(recorder));
  const counters = await gpu.readWords(forward.rasterCounters, 'test', RASTER_COUNTER_WORDS);
  assert.is(counters[RASTER_COUNTERS.FAILED], 0, `${counters[RASTER_COUNTERS.NEEDED]} intersections fit`);
  return { forward, counters };
}

/** How many tiles emit finds for each Gaussian where every tile of its box has a place. */
async function tilesFound(
  gpu: Gpu,
  arena: Arena,
  { forward, visible }: { forward: Rasterizer; visible: number },
): Promise<Uint32Array> {
  const { rows, target, tile } = forward.options;
  const { view, order, projected, boxes } = forward.internals;
  const corners = await gpu.readWords(boxes, 'test');
  const depthOrder = await gpu.readWords(order, 'test', visible);
  const areas = new Uint32Array(rows);
  const offsets = new Uint32Array(rows);
  let places = 0;
  depthOrder.forEach((i, k) => {
    const [low, high] = corners.subarray(2 * i, 2 * i + 2);
    areas[i] = ((high & 0xffff) - (low & 0xffff)) * ((high >>> 16) - (low >>> 16));
    offsets[k] = places;
    places += areas[i];
  });
  const kernel = await gpu.kernel(EMIT, { target, constants: { ...RASTER_COUNTERS, TILE: tile, SIZE: 256 } });
  const tileKeys = arena.buffer('tileKeys', 4 * places);
  const gaussianFromIntersection = arena.buffer('gaussianFromIntersection', 4 * places);
  const bound = kernel.bind({
    view,
    rasterCounters: forward.rasterCounters,
    order,
    offsets: arena.upload('offsets', offsets, 'test'),
    projected,
    tileCounts: arena.upload('areas', areas, 'test'),
    tileKeys,
    gaussianFromIntersection,
    intersectionFromGaussian: arena.buffer('intersectionFromGaussian', 4 * rows),
    boxes,
  });
  gpu.run('test', (recorder) => recorder.run(bound, [64, 1, 1]));
  const keys = await gpu.readWords(tileKeys, 'test');
  const gaussians = await gpu.readWords(gaussianFromIntersection, 'test');
  const { width, height } = forward.options;
  const tiles = Math.ceil(width / tile) * Math.ceil(height / tile);
  const found = new Uint32Array(rows);
  keys.forEach((key, place) => {
    if (key < tiles) found[gaussians[place]]++;
  });
  return found;
}

for (const shape of shapesOf(await testGpu())) {
  const { target } = shape;
  for (const [what, scene] of Object.entries(SCENES)) {
    test(`${target}: of ${what}, every tile with a visible pixel is listed, and every listed tile was counted`, () =>
      withGpu(async (gpu, arena) => {
        const { forward, counters } = await draw(arena, scene, shape);
        const { tileCounts, tileStarts, sortedIntersections, gaussianFromIntersection, projected } =
          forward.internals;
        const rows = await gpu.readFloats(projected, 'test');
        const counted = await gpu.readWords(tileCounts, 'test');
        const starts = await gpu.readWords(tileStarts, 'test');
        const sorted = await gpu.readWords(sortedIntersections, 'test');
        const gaussians = await gpu.readWords(gaussianFromIntersection, 'test');
        const { width, height } = scene.camera;
        const columns = Math.ceil(width / shape.tile);
        const tiles = columns * Math.ceil(height / shape.tile);
        const listed = Array.from(counted, () => new Set<number>());
        for (let tile = 0; tile < tiles; tile++) {
          for (let k = starts[tile]; k < starts[tile + 1]; k++) listed[gaussians[sorted[k]]].add(tile);
        }

        const { viewmat, ...rest } = scene.camera;
        const camera = { ...rest, viewmat: [0, 1, 2, 3].map((row) => viewmat.slice(4 * row, 4 * row + 4)) };
        const parameters = gaussiansOf(scene.splat);
        const wrong: string[] = [];
        let compared = 0;
        counted.forEach((count, i) => {
          const row = rows.subarray(12 * i, 12 * i + 12);
          // The kernels' own projection if there is one, as the pixels use it.
          const seen = count
            ? { center: [row[0], row[1]], conic: [row[2], row[3], row[4]], opacity: row[5] }
            : project(parameters[i], camera, 0);
          if (!seen) return;
          // A Gaussian that is culled has no pixel that sees it clearly.
          const margin = count ? 0 : 0.1;
          for (const tile of tilesWithPixels(seen, { width, height }, shape.tile, margin)) {
            compared++;
            if (!listed[i].has(tile)) wrong.push(`Gaussian ${i} lacks tile ${tile}`);
          }
        });
        assert.equal(wrong.slice(0, 10), [], `${wrong.length} of ${compared}`);
        assert.ok(compared > 15_000, `${compared} were compared`);

        const found = await tilesFound(gpu, arena, { forward, visible: counters[RASTER_COUNTERS.VISIBLE] });
        const over = [...found.keys()].filter((i) => found[i] > counted[i]);
        assert.equal(over, [], 'emit finds more than was counted');
        const total = (values: Uint32Array) => values.reduce((sum, value) => sum + value, 0);
        assert.is(total(found), starts[tiles], 'all that emit finds has a place');
        assert.ok(
          total(counted) < 1.5 * total(found),
          `${total(counted)} are counted, ${total(found)} are found`,
        );
      }));
  }
}

test('for any rounding of each operation, the test of emit accepts no tile that the test of project rejects', () => {
  const tile = { x: 50, y: 37, size: 16 };
  let accepted = 0;
  let decided = 0;
  for (let i = 0; decided < 20_000; i++) {
    const [a, b, c, d] = random4(6, 'init', 0, i);
    const [along, across] = [10 ** (3 * a), 0.55 + 2 * b];
    const angle = i % 3 ? Math.PI / 4 : Math.PI * c;
    const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
    const [p, q] = [1 / along ** 2, 1 / across ** 2];
    const conic = [p * cos ** 2 + q * sin ** 2, (p - q) * cos * sin, p * sin ** 2 + q * cos ** 2];
    const [x, y, z, w] = random4(6, 'init', 1, i);
    // The mean lies up to three σ from the tile's corner, on the streak's axis or a little beside it.
    const [u, v] = [6 * along * (d - 0.5), across * (30 * x - 15)];
    const center = [tile.x * 16 - (u * cos - v * sin), tile.y * 16 - (u * sin + v * cos)];
    const exponent = (kind: keyof typeof SLACKS, direction: (operation: number) => number) =>
      roundedExponent({ center, conic }, tile, SLACKS[kind].relative, direction) - SLACKS[kind].absolute;
    // An opacity at which rounding decides what emit finds.
    const terms = (conic[0] * u * u + conic[2] * v * v) / 2 + Math.abs(conic[1] * u * v);
    const sigma = exponent('emit', () => 0) + (2 * y - 1) * 4 * 2 ** -24 * terms;
    if (sigma < 0 || sigma > Math.log(255)) continue;
    decided++;
    // Random directions, and the two worst: all terms of the one up, all of the other down.
    const bits = mixed(64, i);
    const direction = (which: number) => (operation: number) =>
      w < 0.5 ? which : bits[operation + (which > 0 ? 0 : 32)] & 1 ? 1 : -1;
    const emitted = exponent('emit', direction(z < 0.5 ? -1 : 1)) <= sigma;
    const counted = exponent('count', direction(z < 0.5 ? 1 : -1)) <= sigma;
    if (emitted) accepted++;
    assert.ok(counted || !emitted, `${i}: found, but not counted`);
  }
  assert.ok(accepted > 5_000 && accepted < 15_000, `${accepted} of ${decided} are accepted`);
});

test.run();
