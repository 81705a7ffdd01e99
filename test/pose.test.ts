import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Arena, Gpu } from '../wgsl/core/index.ts';
import { Rasterizer } from '../wgsl/splat/rasterizer.ts';
import { RasterizerBackward } from '../wgsl/splat/rasterizer-backward.ts';
import { PoseGauge } from '../wgsl/splat/update/pose-gauge.ts';
import { POSE_FLOATS, PoseTraining, poseOf, TWIST_FLOATS } from '../wgsl/splat/update/pose-training.ts';
import { SplatAdam } from '../wgsl/splat/update/splat-adam.ts';
import { withGpu } from './helpers/gpu.ts';
import { uniform } from './helpers/numbers.ts';
import { rasterScene, referenceCamera } from './helpers/raster-scene.ts';
import { near } from './helpers/vjp.ts';
import { adamStep } from './reference/adam.ts';
import { type RasterCase, uploadSplat } from './reference/layouts/raster.ts';
import { movedCameras, movedPose, poseDistance, poseGradient } from './reference/pose.ts';
import { RasterReference } from './reference/raster.ts';

/** Wide splats: where one ends at α = 1/255, the picture has a step that a finite difference sees and a gradient does not. */
const WIDE = { logScales: [0.2, 1] as [number, number], opacityLogits: [-1, 1] as [number, number] };
const SCENES = [
  { seed: 11, count: 12, width: 24, height: 18, shDegree: 2, ...WIDE },
  { seed: 12, count: 10, width: 21, height: 20, shDegree: 1, ...WIDE, antialias: true },
  { seed: 13, count: 12, width: 20, height: 17, shDegree: 0, ...WIDE },
];

function lossAt(scene: RasterCase, viewmat: number[][]): number {
  const camera = { ...referenceCamera(scene), viewmat };
  const { splat, background, shDegree, antialias, weightImage, weightAlpha } = scene;
  const { image, alpha } = new RasterReference(splat, camera, background, shDegree, antialias).picture;
  return (
    image.reduce((sum, value, i) => sum + value * weightImage[i], 0) +
    alpha.reduce((sum, value, i) => sum + value * weightAlpha[i], 0)
  );
}

const VIEWS = 3;

/** The engines of a scene whose camera is the view `index` of three; the splat itself does not move. */
async function prepare(gpu: Gpu, arena: Arena, scene: RasterCase, index: number) {
  const { splat, camera, antialias = false, storedDegree } = scene;
  const { width, height } = camera;
  const count = splat.opacityLogits.length;
  const whole = (values: Float32Array) => {
    const padded = new Float32Array(4 * Math.ceil(values.length / 4));
    padded.set(values);
    return padded;
  };
  const names = ['means', 'logScales', 'quats', 'opacityLogits', 'sh'] as const;
  const each = <T>(make: (name: (typeof names)[number]) => T) =>
    Object.fromEntries(names.map((name) => [name, make(name)])) as Record<(typeof names)[number], T>;
  const gaussians = uploadSplat(
    arena,
    each((name) => whole(splat[name])),
  );
  const gaussianCount = arena.upload('gaussianCount', new Uint32Array([count]), 'test');
  const rasterizer = await Rasterizer.create(gpu, arena, {
    label: 'rasterizer',
    gaussians,
    gaussianCount,
    rows: count,
    shDegree: storedDegree,
    antialias,
    width,
    height,
    intersections: 4096,
  });
  const backward = await RasterizerBackward.create(gpu, arena, rasterizer);
  const moments = each((name) => {
    const moment = () => arena.buffer(`${name}/moment`, gaussians[name].size);
    return { m: moment(), v: moment() };
  });
  const screen = arena.buffer('screen', 8 * count);
  const adam = await SplatAdam.create(gpu, arena, rasterizer, backward, {
    label: 'adam',
    moments,
    screen,
    train: names,
  });
  const start = new Float32Array(POSE_FLOATS * VIEWS);
  for (let view = 0; view < VIEWS; view++) start.set(poseOf(camera), POSE_FLOATS * view);
  const buffers = {
    poses: arena.upload('poses', start, 'test'),
    m: arena.buffer('m', 4 * TWIST_FLOATS * VIEWS),
    v: arena.buffer('v', 4 * TWIST_FLOATS * VIEWS),
    steps: arena.buffer('steps', 4 * VIEWS),
  };
  const { poses, ...state } = buffers;
  const training = await PoseTraining.create(gpu, arena, rasterizer, adam, {
    label: 'poses',
    poses,
    moments: state,
  });
  const weights = Float32Array.from({ length: 4 * width * height }, (_, i) => {
    const pixel = Math.floor(i / 4);
    return i % 4 < 3 ? scene.weightImage[3 * pixel + (i % 4)] : scene.weightAlpha[pixel];
  });
  const read = async () => ({
    poses: await gpu.readFloats(poses, 'test', POSE_FLOATS * VIEWS),
    m: await gpu.readFloats(state.m, 'test', TWIST_FLOATS * VIEWS),
    steps: [...(await gpu.readWords(state.steps, 'test', VIEWS))],
  });
  const step = async (rates: { rotation: number; translation: number }, t = 1) => {
    // The dataset's camera: recordView puts the pose in its place.
    rasterizer.setView(camera, { background: scene.background, shDegree: scene.shDegree });
    adam.setStep(t, {});
    training.setStep(index, rates);
    gpu.write(backward.gradImage, weights, 'test');
    gpu.run('test', (recorder) => {
      training.recordView(recorder);
      rasterizer.record(recorder);
      backward.record(recorder);
      adam.record(recorder, (between) => training.record(between));
    });
    return read();
  };
  return { step, read, gaussianCount };
}

for (const options of SCENES) {
  test(`the gradient of the pose is that of finite differences: seed ${options.seed}`, () =>
    withGpu(async (gpu, arena) => {
      const scene = rasterScene(options);
      const { step } = await prepare(gpu, arena, scene, 1);
      const { viewmat } = referenceCamera(scene);
      const expected = poseGradient(viewmat, (moved) => lossAt(scene, moved));
      const { m, steps, poses } = await step({ rotation: 0, translation: 0 });
      // The first moment after one step is a tenth of the gradient.
      const found = [...m.subarray(TWIST_FLOATS, 2 * TWIST_FLOATS)].map((value) => 10 * value);
      const scale = Math.max(...expected.map(Math.abs));
      found.forEach((value, i) => {
        assert.ok(Math.abs(value - expected[i]) < 2e-3 * scale, `[${i}] ${found} expected ${expected}`);
      });
      assert.equal(steps, [0, 1, 0]);
      const camera = poseOf(scene.camera);
      assert.equal([...poses], [...camera, ...camera, ...camera], 'rates of 0 move nothing');
    }));
}

test('a pose moves by the exponential map of Adam’s step, and stays a rotation; others stay', () =>
  withGpu(async (gpu, arena) => {
    const scene = rasterScene(SCENES[0]);
    const { step, read, gaussianCount } = await prepare(gpu, arena, scene, 2);
    let { viewmat } = referenceCamera(scene);
    const state = { parameters: new Float64Array(6), m: new Float64Array(6), v: new Float64Array(6) };
    // Rotations on both sides of the series' limit.
    for (const [i, rotation] of [0.2, 0.01, 0.3, 1e-4].entries()) {
      const translation = 0.1 / (i + 1);
      const gradient = poseGradient(viewmat, (moved) => lossAt(scene, moved));
      state.parameters.fill(0);
      adamStep(state, gradient, i + 1, (k) => (k < 3 ? translation : rotation), { epsilon: 1e-8 });
      viewmat = movedPose(viewmat, [...state.parameters]);
      const { poses } = await step({ rotation, translation }, i + 1);
      near(
        poses.subarray(2 * POSE_FLOATS),
        poseOf({ ...scene.camera, viewmat: viewmat.flat() }),
        3e-3,
        `step ${i}`,
      );
      const found = poses.subarray(2 * POSE_FLOATS);
      for (const [a, b] of [
        [0, 0],
        [0, 4],
        [4, 8],
        [8, 8],
      ]) {
        const product = [0, 1, 2].reduce((sum, k) => sum + found[a + k] * found[b + k], 0);
        assert.ok(Math.abs(product - (a === b ? 1 : 0)) < 1e-6);
      }
      // Where rounding led, not where double precision did.
      viewmat = [0, 4, 8].map((at) => [...found.subarray(at, at + 4)]).concat([[0, 0, 0, 1]]);
    }
    const before = await read();
    assert.equal([...before.poses.subarray(0, POSE_FLOATS)], [...poseOf(scene.camera)]);
    gpu.write(gaussianCount, new Uint32Array([0]), 'test');
    assert.equal(await step({ rotation: 0.1, translation: 0.1 }, 5), before, 'a void step');
  }));

test('more Gaussians than a block: the sum of all, the same bytes again', () =>
  withGpu(async (gpu, arena) => {
    const scene = rasterScene({ seed: 3, count: 700, width: 33, height: 26, shDegree: 1 });
    const run = async () =>
      (await (await prepare(gpu, arena, scene, 0)).step({ rotation: 1e-3, translation: 1e-3 })).m;
    const found = await run();
    assert.equal(await run(), found);
    assert.ok(found.subarray(0, 6).every((value) => value !== 0));
    // Σ of the gradients of all means is that of moving the camera by the same, in its own axes.
    const { viewmat } = referenceCamera(scene);
    const { weightImage, weightAlpha, background, shDegree } = scene;
    const judge = new RasterReference(scene.splat, referenceCamera(scene), background, shDegree);
    const { means } = judge.backward(weightImage, weightAlpha);
    const sums = [0, 1, 2].map((axis) =>
      means.reduce((sum, value, i) => sum + (i % 3 === axis ? value : 0), 0),
    );
    const expected = [0, 1, 2].map((row) => [0, 1, 2].reduce((sum, k) => sum + viewmat[row][k] * sums[k], 0));
    expected.forEach((value, i) => {
      assert.ok(
        Math.abs(10 * found[i] - value) < 2e-3 * Math.hypot(...expected),
        `${10 * found[i]}, ${value}`,
      );
    });
  }));

const SCALE = 2;
/** More views than a workgroup has threads. */
const CAMERAS = 300;

/** Cameras near each other, and the same, each moved and turned by a little of its own. */
function cameras() {
  const twists = uniform(6 * CAMERAS, 8, -1, 1);
  const noise = uniform(6 * CAMERAS, 9, -5e-3, 5e-3);
  const upright = [0, 1, 2, 3].map((i) => [0, 1, 2, 3].map((k) => (i === k ? 1 : 0)));
  const anchors = Array.from({ length: CAMERAS }, (_, i) =>
    movedPose(upright, [...twists.subarray(6 * i, 6 * i + 6)]),
  );
  const shaken = anchors.map((anchor, i) => movedPose(anchor, [...noise.subarray(6 * i, 6 * i + 6)]));
  return { anchors, shaken };
}

const packed = (viewmats: readonly number[][][]) =>
  Float32Array.from(viewmats.flatMap((viewmat) => [...poseOf({ viewmat: viewmat.flat() })]));

async function gauged(gpu: Gpu, arena: Arena, given: readonly number[][][], count = 1) {
  const poses = arena.upload('gauged', packed(given), 'test');
  const gauge = await PoseGauge.create(gpu, arena, {
    label: 'gauge',
    poses,
    anchors: packed(cameras().anchors),
    gaussianCount: arena.upload('count', new Uint32Array([count]), 'test'),
    scale: SCALE,
  });
  for (let pass = 0; pass < 6; pass++) gpu.run('test', (recorder) => gauge.record(recorder));
  return gpu.readFloats(poses, 'test', POSE_FLOATS * CAMERAS);
}

const SIMILARITY = {
  rotation: [0.01, -0.02, 0.015],
  translation: [0.03, -0.02, 0.01],
  growth: 1.02,
  center: [0, 0, 0],
};

test('the gauge removes a similarity of all poses; poses at their anchors and a void step change no byte', () =>
  withGpu(async (gpu, arena) => {
    const { anchors } = cameras();
    const moved = movedCameras(anchors, SIMILARITY);
    near(await gauged(gpu, arena, moved), packed(anchors), 1e-5, 'moved');
    assert.equal(await gauged(gpu, arena, anchors), packed(anchors));
    assert.equal(await gauged(gpu, arena, moved, 0), packed(moved));
  }));

test('after the gauge, no similarity brings poses with independent motions nearer to the anchors', () =>
  withGpu(async (gpu, arena) => {
    const { anchors, shaken } = cameras();
    const found = await gauged(gpu, arena, movedCameras(shaken, SIMILARITY));
    const left = Array.from({ length: CAMERAS }, (_, i) => [
      ...[0, 4, 8].map((at) => [...found.subarray(POSE_FLOATS * i + at, POSE_FLOATS * i + at + 4)]),
      [0, 0, 0, 1],
    ]);
    near(packed(left), found, 1e-6, 'centres and axes agree');
    const least = poseDistance(left, anchors, SCALE);
    const still = { rotation: [0, 0, 0], translation: [0, 0, 0], growth: 1, center: [0, 0, 0] };
    for (const by of [-2e-3, 2e-3]) {
      const along = [0, 1, 2].map((axis) => [0, 1, 2].map((k) => (k === axis ? by : 0)));
      for (const other of [
        ...along.map((rotation) => ({ ...still, rotation })),
        ...along.map((translation) => ({ ...still, translation })),
        { ...still, growth: 1 + by },
      ]) {
        const distance = poseDistance(movedCameras(left, other), anchors, SCALE);
        assert.ok(distance > least + 1e-4, `${JSON.stringify(other)}: ${distance}, ${least}`);
      }
    }
  }));

test.run();
