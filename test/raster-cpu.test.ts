import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { KernelTarget } from '../wgsl/core/index.ts';
import { Rasterizer } from '../wgsl/splat/rasterizer.ts';
import { RasterizerBackward } from '../wgsl/splat/rasterizer-backward.ts';
import { testGpu, withGpu } from './helpers/gpu.ts';
import { rasterScene } from './helpers/raster-scene.ts';
import { testUnless } from './helpers/skip.ts';
import { uploadSplat } from './reference/layouts/raster.ts';

// The kernels for a CPU behind a software driver beside those for a GPU without subgroups, which serve every adapter.
// test/raster.test.ts judges both by the plain reference: tiles of 8 are of the first kind on such an adapter, 16 of the second.

const gpu = await testGpu();
const unsupported = gpu.supports('cpu') ? undefined : 'the kernels for a CPU are not for this adapter';

const SCENE = { seed: 31, count: 500, width: 45, height: 29, shDegree: 0 };

/** Colour, depth, the buffers for the backward pass, and the gradients per intersection. */
async function draw(target: KernelTarget, opacityLogits?: [number, number]) {
  const arena = gpu.arena('draw');
  try {
    const scene = rasterScene({ ...SCENE, opacityLogits });
    const { width, height } = scene.camera;
    const engine = await Rasterizer.create(gpu, arena, {
      label: 'rasterizer',
      gaussians: uploadSplat(arena, scene.splat),
      gaussianCount: arena.upload('gaussianCount', new Uint32Array([SCENE.count]), 'test'),
      rows: SCENE.count,
      shDegree: 0,
      width,
      height,
      intersections: 30_000,
      depth: true,
      tile: 8,
      target,
    });
    const backward = await RasterizerBackward.create(gpu, arena, engine);
    const gradient = Float32Array.from({ length: 4 * width * height }, (_, i) => Math.sin(i / 50));
    gpu.write(backward.gradImage, gradient, 'test');
    // What a forgotten intersection would keep.
    gpu.write(backward.intersectionGradients, new Float32Array(9 * 30_000).fill(7), 'test');
    engine.setView(scene.camera, { background: scene.background });
    gpu.run('test', (recorder) => {
      engine.record(recorder);
      backward.record(recorder);
    });
    const { tileStarts, lastContributor, transmittance } = engine.internals;
    const starts = await gpu.readWords(tileStarts, 'test');
    const intersections = starts[starts.length - 1];
    return {
      intersections,
      color: await gpu.readFloats(engine.color, 'test'),
      depth: await gpu.readFloats(engine.depth, 'test'),
      lastContributor: await gpu.readWords(lastContributor, 'test'),
      transmittance: await gpu.readFloats(transmittance!, 'test'),
      intersectionGradients: await gpu.readFloats(backward.intersectionGradients, 'test', 9 * intersections),
    };
  } finally {
    arena.destroy();
  }
}

function farthest(found: Float32Array, wanted: Float32Array): number {
  const scale = Math.sqrt(wanted.reduce((sum, value) => sum + value * value, 0) / wanted.length);
  return found.reduce((maximum, value, i) => Math.max(maximum, Math.abs(value - wanted[i])), 0) / scale;
}

const WALLS: ([number, number] | undefined)[] = [undefined, [3, 12]];
for (const opacityLogits of WALLS) {
  const what = opacityLogits ? 'opaque' : 'mixed';
  testUnless(
    test,
    unsupported,
    `for a CPU: picture, depth and gradients of ${what} splats are those of a GPU`,
    async () => {
      const cpu = await draw('cpu', opacityLogits);
      const plain = await draw('portable', opacityLogits);
      assert.is(cpu.intersections, plain.intersections);
      assert.ok(cpu.intersections > 1000, `${cpu.intersections} intersections`);
      // A pixel whose alpha lies at 1/255 to rounding may end one splat apart.
      const changed = cpu.lastContributor.filter((count, i) => count !== plain.lastContributor[i]).length;
      assert.ok(changed <= 2, `${changed} pixels have another last contributor`);
      for (const name of ['color', 'depth', 'transmittance', 'intersectionGradients'] as const) {
        const error = farthest(cpu[name], plain[name]);
        assert.ok(error < 1e-4, `${name}: ${error}`);
      }
    },
  );
}

testUnless(test, unsupported, 'for a CPU: the same bytes again', async () => {
  assert.equal(await draw('cpu'), await draw('cpu'));
});

test('tile sizes that the kernels for a CPU do not support are refused', () =>
  withGpu(async (gpu, arena) => {
    const scene = rasterScene({ ...SCENE, count: 1 });
    const create = (shape: object) =>
      Rasterizer.create(gpu, arena, {
        label: 'rasterizer',
        gaussians: uploadSplat(arena, scene.splat),
        gaussianCount: arena.upload('gaussianCount', new Uint32Array([1]), 'test'),
        rows: 1,
        shDegree: 0,
        width: 8,
        height: 8,
        intersections: 1,
        ...shape,
      }).then(() => '', String);
    if (unsupported) return;
    assert.match(await create({ tile: 16, target: 'cpu' }), /the target cpu has tiles of 8, got 16/);
  }));

test.run();
