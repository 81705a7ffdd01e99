import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readSafetensors } from '../stages/clip/safetensors.ts';
import { testGpu, withGpu } from './helpers/gpu.ts';
import { rasterScene, referenceCamera, shapesOf } from './helpers/raster-scene.ts';
import type { Row } from './reference/layout.ts';
import { gradientRow, pictureRow, Shapes } from './reference/layouts/compare.ts';
import { type RasterCase, type Rasterized, rasterize, readCase } from './reference/layouts/raster.ts';
import { RasterReference, type SplatArrays } from './reference/raster.ts';

const PARAMETERS = ['means', 'logScales', 'quats', 'opacityLogits', 'sh'] as const;
const PICTURE = { tolerance: 2e-5, outlierTolerance: 1e-2, outlierShare: 0.0003, minOutliers: 2 };

function reference(scene: RasterCase, splat: SplatArrays = scene.splat): RasterReference {
  return new RasterReference(
    splat,
    referenceCamera(scene),
    scene.background,
    scene.shDegree,
    scene.antialias,
  );
}

function compare(found: Rasterized, judge: RasterReference, scene: RasterCase): Row[] {
  const gradients = judge.backward(scene.weightImage, scene.weightAlpha);
  return [
    pictureRow('image', found.image, judge.picture.image, 3, PICTURE),
    pictureRow('alpha', found.alpha, judge.picture.alpha, 1, PICTURE),
    ...PARAMETERS.map((name) =>
      gradientRow(name, found.gradients[name], gradients[name], { l2: 5e-4, largest: 5e-4 }),
    ),
  ];
}

function assertPass(rows: Row[]): void {
  const failed = rows.filter(({ pass }) => !pass);
  assert.is(failed.length, 0, failed.map(({ tensor, error }) => `${tensor}: ${error}`).join('; '));
}

test('the plain reference agrees with gsplat', async () => {
  const path = fileURLToPath(new URL('data/reference/raster_small.safetensors', import.meta.url));
  const { tensors, metadata } = await readSafetensors(path);
  const shapes = new Shapes(path, tensors);
  const scene = readCase(path, shapes, metadata);
  const judge = reference(scene);
  assert.ok(judge.visible > 250);
  const gradients = judge.backward(scene.weightImage, scene.weightAlpha);
  const limits = { l2: 4e-4, largest: 4e-4 };
  const tensor = (name: string, shape: (number | string)[]) => shapes.floats(name, shape);
  const picture = { tolerance: 1e-5, outlierTolerance: 1e-5, outlierShare: 0, minOutliers: 0 };
  assertPass([
    pictureRow('image', judge.picture.image, tensor('image', ['H', 'W', 3]), 3, picture),
    pictureRow('alpha', judge.picture.alpha, tensor('alpha', ['H', 'W', 1]), 1, picture),
    gradientRow('means', gradients.means, tensor('grad_means', ['N', 3]), limits),
    gradientRow('logScales', gradients.logScales, tensor('grad_log_scales', ['N', 3]), limits),
    gradientRow('quats', gradients.quats, tensor('grad_quats', ['N', 4]), limits),
    gradientRow('opacityLogits', gradients.opacityLogits, tensor('grad_opacity_logits', ['N']), limits),
    gradientRow('sh', gradients.sh, tensor('grad_sh', ['N', 'K', 3]), limits),
  ]);
});

/** Small Gaussians, where antialiasing lowers the opacity; at this size it does not hide them. */
const SMALL = { logScales: [-3.2, -1.5] as [number, number], antialias: true };

for (const antialias of [false, true]) {
  test(`the plain reference agrees with finite differences, entry by entry${antialias ? ', antialiased' : ''}`, () => {
    const scene = rasterScene({
      seed: 40,
      count: 12,
      width: 17,
      height: 13,
      shDegree: 3,
      ...(antialias && SMALL),
    });
    const judge = reference(scene);
    assert.ok(judge.visible >= 6, `${judge.visible} visible`);
    const gradients = judge.backward(scene.weightImage, scene.weightAlpha);
    const wrong: string[] = [];
    for (const name of PARAMETERS) {
      const values = Float64Array.from(scene.splat[name]);
      for (let i = 0; i < values.length; i += name === 'sh' ? 7 : 1) {
        const at = (offset: number) => {
          const moved = values.slice();
          moved[i] += offset;
          return loss(reference(scene, { ...scene.splat, [name]: moved }).picture, scene);
        };
        const step = 1e-5;
        const numeric = (at(step) - at(-step)) / (2 * step);
        const error = Math.abs(numeric - gradients[name][i]);
        if (!(error <= 1e-5 * Math.max(1, Math.abs(numeric))))
          wrong.push(`${name}[${i}]: ${gradients[name][i]}, ${numeric}`);
      }
    }
    assert.equal(wrong, []);
  });
}

const SCENES = [
  { seed: 1, count: 400, width: 61, height: 37, shDegree: 3 },
  { seed: 2, count: 300, width: 33, height: 50, shDegree: 2, storedDegree: 3 },
  { seed: 3, count: 300, width: 16, height: 16, shDegree: 1 },
  { seed: 4, count: 200, width: 45, height: 9, shDegree: 0 },
  // Nothing shines through a wall of opaque splats: the cuts at 0.99 and at 1e-4.
  { seed: 5, count: 600, width: 24, height: 24, shDegree: 0, opacityLogits: [3, 12], logScales: [-2, 0] },
  // Barely there: the cut at 1/255.
  {
    seed: 6,
    count: 500,
    width: 31,
    height: 31,
    shDegree: 0,
    opacityLogits: [-6.5, -4.5],
    logScales: [-2.5, 0],
  },
  { seed: 7, count: 3, width: 1, height: 1, shDegree: 0, logScales: [0, 1] },
  { seed: 13, count: 300, width: 61, height: 37, shDegree: 1, ...SMALL },
] as const;

for (const shape of shapesOf(await testGpu())) {
  for (const options of SCENES) {
    const { count, width, height, shDegree } = options;
    const antialias = 'antialias' in options ? ', antialiased' : '';
    test(`${shape.target}: ${count} Gaussians, ${width}×${height}, SH ${shDegree}${antialias}`, () =>
      withGpu(async (gpu) => {
        const scene = rasterScene({ ...options } as Parameters<typeof rasterScene>[0]);
        const judge = reference(scene);
        assert.ok(judge.visible > 0);
        assertPass(compare(await rasterize(gpu, scene, shape), judge, scene));
      }));
  }
}

test('equal depths are blended in the order of their indices', () =>
  withGpu(async (gpu) => {
    const scene = rasterScene({ seed: 9, count: 64, width: 20, height: 20, shDegree: 0 });
    // Eight means, each taken eight times.
    scene.splat.means = scene.splat.means.map((_, i) => scene.splat.means[i % 24]);
    assertPass(compare(await rasterize(gpu, scene), reference(scene), scene));
  }));

test('with nothing in view the picture is the background and no parameter has a gradient', () =>
  withGpu(async (gpu) => {
    const scene = rasterScene({ seed: 10, count: 5, width: 9, height: 7, shDegree: 1 });
    scene.splat.means.fill(-50);
    assert.is(reference(scene).visible, 0);
    const found = await rasterize(gpu, scene);
    assertPass(compare(found, reference(scene), scene));
    assert.ok(PARAMETERS.every((name) => found.gradients[name].every((value) => value === 0)));
  }));

/** One number of each of these rows: every component of means, scales, quaternions and opacity, and some of SH, five times. */
const COMPONENTS = Array.from({ length: 5 }, () => [
  ...([0, 1, 2] as const).map((at) => ['means', at] as const),
  ...([0, 1, 2] as const).map((at) => ['logScales', at] as const),
  ...([0, 1, 2, 3] as const).map((at) => ['quats', at] as const),
  ['opacityLogits', 0] as const,
  ...([0, 4, 11] as const).map((at) => ['sh', at] as const),
]).flat();

test('Gaussians with infinite or NaN parameters are culled, and nothing else changes by a byte', () =>
  withGpu(async (gpu) => {
    const options = {
      seed: 12,
      count: 150,
      width: 40,
      height: 30,
      shDegree: 1,
      opacityLogits: [-2, 3],
    } as const;
    const scene = rasterScene({ ...options, opacityLogits: [...options.opacityLogits] });
    const draw = async (values: readonly (readonly [keyof SplatArrays, number, number])[]) => {
      const splat = structuredClone(scene.splat);
      values.forEach(([name, at, value], row) => {
        splat[name][(row * splat[name].length) / options.count + at] = value;
      });
      return rasterize(gpu, { ...scene, splat });
    };
    // Behind the camera: culled.
    const behind = await draw(COMPONENTS.map(() => ['means', 2, -50]));
    const whole = await draw([]);
    const seen = COMPONENTS.filter((_, row) => whole.gradients.opacityLogits[row] !== 0).length;
    assert.ok(seen > 20, `${seen} of the rows are in the picture`);
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      assert.equal(await draw(COMPONENTS.map(([name, at]) => [name, at, value])), behind, String(value));
    }
    // Finite parameters that overflow.
    const large = COMPONENTS.map(([name, at]) => {
      if (name === 'logScales') return [name, at, 70] as const;
      return name === 'means' ? ([name, at, 3e38] as const) : (['means', 2, -50] as const);
    });
    assert.equal(await draw(large), behind, 'overflow');
  }));

test('the kernels’ gradients agree with finite differences of the kernels’ pictures', () =>
  withGpu(async (gpu) => {
    // Wide splats: where one ends at α = 1/255, the picture has a step that a finite difference sees and a gradient does not.
    const scene = rasterScene({
      seed: 11,
      count: 12,
      width: 24,
      height: 18,
      shDegree: 2,
      logScales: [0.2, 1],
      opacityLogits: [-1, 1],
    });
    const { gradients } = await rasterize(gpu, scene);
    for (const name of PARAMETERS) {
      // Along the gradient itself: one number for the whole tensor.
      const gradient = gradients[name];
      const norm = Math.sqrt(gradient.reduce((sum, value) => sum + value * value, 0));
      assert.ok(norm > 0);
      const step = 5e-3;
      const [low, high] = await Promise.all(
        [-step, step].map(async (offset) => {
          const moved = scene.splat[name].map((value, i) => value + (offset * gradient[i]) / norm);
          return loss(await rasterize(gpu, { ...scene, splat: { ...scene.splat, [name]: moved } }), scene);
        }),
      );
      const numeric = (high - low) / (2 * step);
      assert.ok(Math.abs(numeric - norm) < 0.02 * norm, `${name}: ${norm}, finite difference ${numeric}`);
    }
  }));

function loss({ image, alpha }: { image: ArrayLike<number>; alpha: ArrayLike<number> }, scene: RasterCase) {
  let sum = 0;
  for (let i = 0; i < image.length; i++) sum += image[i] * scene.weightImage[i];
  for (let i = 0; i < alpha.length; i++) sum += alpha[i] * scene.weightAlpha[i];
  return sum;
}

test.run();
