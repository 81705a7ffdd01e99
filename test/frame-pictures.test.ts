import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { depthUnit } from '../stages/orbit/outputs/depth.ts';
import { OUTPUTS } from '../stages/orbit/outputs/index.ts';
import type { Arena, Constants, Gpu, KernelDefinition } from '../wgsl/core/index.ts';
import {
  ALPHA_PICTURE,
  DEPTH_BINS,
  DEPTH_HISTOGRAM,
  DEPTH_PICTURE,
  depthQuantiles,
  FramePicture,
  NORMAL_PICTURE,
  STRAIGHT_ALPHA,
} from '../wgsl/image/frame-pictures.ts';
import { ShortestAxes } from '../wgsl/splat/shortest-axes.ts';
import { withGpu } from './helpers/gpu.ts';
import { mixed, uniform } from './helpers/numbers.ts';
import { rasterScene, referenceCamera } from './helpers/raster-scene.ts';
import {
  alphaPicture,
  depthPreview,
  depthUnits,
  normalPicture,
  straightAlpha,
  surfaceDepths,
  viridis,
} from './reference/frame-pictures.ts';
import { RasterReference } from './reference/raster.ts';
import { shortestAxes } from './reference/shortest-axes.ts';

/** Odd, and not a multiple of the workgroup. */
const PIXELS = 1003;
const SH_C0 = 0.28209479177387814;

/** Half a code is rounding. */
function assertRounded(got: Uint8Array, expected: Float64Array, slack = 0.01): void {
  assert.is(got.length, expected.length);
  for (const [i, value] of expected.entries()) {
    assert.ok(Math.abs(got[i] - value) <= 0.5 + slack, `byte ${i}: ${got[i]} instead of ${value}`);
  }
}

async function pixelsOf(gpu: Gpu, buffer: GPUBuffer, bytes = 4 * PIXELS): Promise<Uint8Array> {
  return new Uint8Array(await gpu.read(buffer, 'test', bytes));
}

async function draw(
  gpu: Gpu,
  arena: Arena,
  definition: KernelDefinition,
  binding: string,
  buffers: Record<string, GPUBuffer>,
  constants: Constants = {},
): Promise<Uint8Array> {
  const to = arena.buffer(binding, 4 * PIXELS);
  const kernel = await FramePicture.create(gpu, definition, PIXELS, constants);
  gpu.run('test', (recorder) => kernel.record(recorder, kernel.bind({ ...buffers, [binding]: to })));
  return pixelsOf(gpu, to);
}

/** Random colours of any alpha over a background, as a frame has them. */
function frameOver(background: readonly number[]): Uint32Array {
  const parts = uniform(4 * PIXELS, 8);
  return Uint32Array.from({ length: PIXELS }, (_, i) => {
    const alpha = i % 7 === 0 ? 0 : i % 7 === 1 ? 1 : parts[4 * i + 3];
    const color = background.map((behind, c) => alpha * parts[4 * i + c] + (1 - alpha) * behind);
    return [...color, alpha].reduce(
      (word, value, c) => (word | (Math.floor(255 * value + 0.5) << (8 * c))) >>> 0,
      0,
    );
  });
}

test('straight alpha: the colour without the background, which composites to the frame again', () =>
  withGpu(async (gpu, arena) => {
    for (const background of [
      [0, 0, 0],
      [1, 1, 1],
      [0.2, 0.5, 0.9],
    ]) {
      const words = frameOver(background);
      const rgba8 = arena.upload('frame', words, 'test');
      const [RED, GREEN, BLUE] = background;
      const got = await draw(gpu, arena, STRAIGHT_ALPHA, 'straight', { rgba8 }, { RED, GREEN, BLUE });
      assertRounded(got, straightAlpha(words, background));
      const frame = new Uint8Array(words.buffer);
      let largest = 0;
      for (let i = 0; i < got.length; i++) {
        const alpha = got[i | 3] / 255;
        if (i % 4 === 3 || !alpha) continue;
        const again = alpha * got[i] + 255 * (1 - alpha) * background[i % 4];
        largest = Math.max(largest, Math.abs(again - frame[i]));
      }
      assert.ok(largest <= 1, `composited again, a code differs by ${largest}`);
    }
  }));

test('alpha as grey', () =>
  withGpu(async (gpu, arena) => {
    const words = mixed(PIXELS, 5);
    const rgba8 = arena.upload('frame', words, 'test');
    assertRounded(await draw(gpu, arena, ALPHA_PICTURE, 'gray', { rgba8 }), alphaPicture(words), -0.5);
  }));

test('depth in units, its preview, and its range', () =>
  withGpu(async (gpu, arena) => {
    const words = mixed(PIXELS, 6);
    const depth = uniform(PIXELS, 7, -1, 3).map((value) => (value < 0 ? 0 : 10 ** value));
    const rgba8 = arena.upload('frame', words, 'test');
    const buffers = { rgba8, depth: arena.upload('depth', depth, 'test') };
    const counts = arena.buffer('counts', 4 * DEPTH_BINS);
    const histogram = await FramePicture.create(gpu, DEPTH_HISTOGRAM, PIXELS);
    gpu.run('test', (recorder) => histogram.record(recorder, histogram.bind({ ...buffers, counts })));
    const found = await gpu.readWords(counts, 'test');
    const surfaces = surfaceDepths(words, depth);
    assert.ok(surfaces.length > 300 && surfaces.length < 0.8 * PIXELS);
    assert.is(
      found.reduce((sum, count) => sum + count, 0),
      surfaces.length,
    );
    for (const share of [0.02, 0.5, 0.98]) {
      const [quantile] = depthQuantiles(found, [share]);
      const exact = surfaces[Math.ceil(share * surfaces.length) - 1];
      assert.ok(quantile <= exact && exact < quantile * (1 + 1 / 32), `${share}: ${quantile}, ${exact}`);
    }
    const [near, far, farthest] = depthQuantiles(found, [0.02, 0.98, 1]);
    const last = surfaces.at(-1)!;
    assert.ok(farthest >= last && farthest < last * (1 + 1 / 16), `${farthest} for ${last}`);

    for (const unit of [depthUnit(farthest), 1e-3]) {
      const picture = await FramePicture.create(gpu, DEPTH_PICTURE, PIXELS);
      const range = arena.uniform('range', picture.kernel.struct('Range').size);
      gpu.write(range, picture.kernel.pack('Range', { unit, near, far }), 'test');
      const units = arena.buffer('units', 2 * PIXELS + 2);
      const preview = arena.buffer('preview', 4 * PIXELS);
      const bound = picture.bind({ ...buffers, range, units, preview });
      gpu.run('test', (recorder) => picture.record(recorder, bound));
      const got = new Uint16Array((await pixelsOf(gpu, units, 2 * PIXELS + 2)).buffer);
      for (const [i, value] of depthUnits(words, depth, unit).entries()) {
        assert.ok(Math.abs(got[i] - value) <= 0.52, `unit ${unit}, pixel ${i}: ${got[i]}, ${value}`);
      }
      // The colour map is steep: a rounding of f32 is a hundredth of a code.
      assertRounded(await pixelsOf(gpu, preview), depthPreview(words, depth, near, far), 0.02);
    }
  }));

test('the unit is the smallest of 1, 2 and 5 with which the farthest surface fits 16 bits', () => {
  for (const [farthest, unit] of [
    [65.535, 0.001],
    [65.6, 0.002],
    [300, 0.005],
    [330, 0.01],
    [3.2, 0.00005],
    [0.001, 2e-8],
  ]) {
    assert.is(depthUnit(farthest), unit);
  }
});

test('the colour map is viridis', () => {
  // matplotlib's, at 0, ¼, ½, ¾ and 1.
  const anchors = [
    [68, 1, 84],
    [59, 82, 139],
    [33, 145, 140],
    [94, 201, 98],
    [253, 231, 37],
  ];
  for (const [i, anchor] of anchors.entries()) {
    const found = viridis(i / 4);
    assert.ok(
      anchor.every((value, c) => Math.abs(value - found[c]) < 5),
      `${i / 4}: ${found}`,
    );
  }
});

test('a normal picture has unit normals where the alpha is a half or more', () =>
  withGpu(async (gpu, arena) => {
    const picture = uniform(4 * PIXELS, 9).map((value, i) =>
      i % 4 === 3 && Math.abs(value - 127.5 / 255) < 1e-3 ? 0.6 : value,
    );
    const image = picture.filter((_, i) => i % 4 !== 3);
    const alpha = picture.filter((_, i) => i % 4 === 3);
    const got = await draw(gpu, arena, NORMAL_PICTURE, 'rgba8', {
      picture: arena.upload('picture', picture, 'test'),
    });
    assertRounded(got, normalPicture(image, alpha));
  }));

const scene = rasterScene({ seed: 31, count: 300, width: 60, height: 40, shDegree: 1 });

test('the shortest axes face the camera, in its space', () =>
  withGpu(async (gpu, arena) => {
    const upload = (name: 'means' | 'logScales' | 'quats') => arena.upload(name, scene.splat[name], 'test');
    const count = scene.splat.opacityLogits.length;
    const gaussians = {
      count,
      means: upload('means'),
      logScales: upload('logScales'),
      quats: upload('quats'),
    };
    const axes = await ShortestAxes.create(arena, gaussians);
    axes.submit(scene.camera);
    const sh = await gpu.readFloats(axes.sh, 'test', 3 * count);
    let signs = 0;
    for (const [i, expected] of shortestAxes(scene.splat, scene.camera.viewmat).entries()) {
      const got = [0, 1, 2].map((k) => 2 * SH_C0 * sh[3 * i + k]);
      const off = Math.hypot(...expected.map((value, k) => value - got[k]));
      assert.ok(off < 1e-5, `Gaussian ${i}: ${got} instead of ${expected}`);
      assert.ok(Math.abs(Math.hypot(...got) - 1) < 1e-5);
      if (expected[2] < 0) signs++;
    }
    assert.ok(signs < 0.4 * count, 'most normals point to the camera');
  }));

test('the output normal blends the shortest axes as the rasteriser blends colours', () =>
  withGpu(async (gpu, arena) => {
    const { splat, camera } = scene;
    const { width, height } = camera;
    const upload = (name: keyof typeof splat) => arena.upload(name, splat[name], 'test');
    const gaussians = {
      count: splat.opacityLogits.length,
      shDegree: 1 as const,
      means: upload('means'),
      logScales: upload('logScales'),
      quats: upload('quats'),
      opacityLogits: upload('opacityLogits'),
      sh: upload('sh'),
    };
    const pixels = arena.buffer('frame', 4 * width * height);
    const frame = { name: '0000', camera, color: pixels, depth: pixels };
    const frames = { fps: 1, frames: [frame], before: [] };
    const renderer = await OUTPUTS.normal.create({
      gpu,
      arena,
      frames,
      gaussians,
      background: [0, 0, 0],
      width,
      height,
    });
    const [buffer] = await renderer.draw(0);
    const got = await pixelsOf(gpu, buffer, 4 * width * height);
    renderer.destroy?.();
    const sh = shortestAxes(splat, camera.viewmat).flatMap((normal) => normal.map((v) => v / 2 / SH_C0));
    const { picture } = new RasterReference({ ...splat, sh }, referenceCamera(scene), [0.5, 0.5, 0.5], 0);
    const expected = normalPicture(picture.image, picture.alpha);
    let compared = 0;
    let off = 0;
    for (let i = 0; i < width * height; i++) {
      const blended = [0, 1, 2].map((c) => 2 * picture.image[3 * i + c] - 1);
      // Rounding decides at the edge of a surface and for normals that cancel each other.
      if (Math.abs(picture.alpha[i] - 0.5) < 0.01 || Math.hypot(...blended) < 0.05) continue;
      compared++;
      if ([0, 1, 2, 3].some((c) => Math.abs(got[4 * i + c] - expected[4 * i + c]) > 0.6)) off++;
    }
    assert.ok(compared > 0.8 * width * height, `${compared} pixels compared`);
    assert.ok(off <= 0.002 * compared, `${off} of ${compared} pixels differ`);
    assert.ok(new Set(got).size > 60, `${new Set(got).size} different bytes`);
  }));

test.run();
