import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { backgroundAt } from '../stages/artefacts/background.ts';
import type { Dataset } from '../stages/artefacts/dataset.ts';
import {
  GAUSSIAN_PARAMETERS,
  type GaussianParameter,
  type HostGaussians,
  parameterWidths,
  readGaussians,
  releaseGaussians,
  uploadGaussians,
} from '../stages/artefacts/gaussians.ts';
import { photometricObjective } from '../stages/optimizer/objectives.ts';
import { SplatOptimizer } from '../stages/optimizer/optimizer.ts';
import { blankState, type TrainingState } from '../stages/optimizer/state.ts';
import type { TrainInput } from '../stages/train/options.ts';
import { train } from '../stages/train/stage.ts';
import { type Arena, bindRows, type Gpu, GpuError, openGpu, rowWindows } from '../wgsl/core/index.ts';
import { Adam } from '../wgsl/optim/adam.ts';
import { ParameterGradients } from '../wgsl/splat/parameter-gradients.ts';
import { Rasterizer } from '../wgsl/splat/rasterizer.ts';
import { RasterizerBackward } from '../wgsl/splat/rasterizer-backward.ts';
import { SplatRenderer } from '../wgsl/splat/renderer.ts';
import { START_VALUES } from '../wgsl/splat/start-values.ts';
import { withGpu, withWindows } from './helpers/gpu.ts';
import { mixed } from './helpers/numbers.ts';
import { RATES } from './helpers/optimizer.ts';
import { hostRows, readMoments, readRows, stateOf } from './helpers/state.ts';
import { ringDataset } from './helpers/tiny-scene.ts';

const COUNT = 1300;
const ROW_BYTES = { 2: 108, 3: 192 } as const;
/** Windows of 512 rows of SH: the scene has three, and what it grows to a fourth. */
const WINDOW_ROWS = 512;
const MORE = 1700;

const wordsThatDiffer = (a: Float32Array, b: Float32Array) => a.filter((value, i) => value !== b[i]).length;

const gpuWith = (windowBytes: number) => ({ windowBytes }) as Gpu;

test('windows cover all rows once, begin on whole blocks, and respect the maximum size', () => {
  for (const [rows, rowBytes, windowBytes] of [
    [20_000_000, 192, 2 ** 31],
    [1_000_000, 192, 2 ** 27],
    [COUNT, 108, 108 * 700],
    [512, 4, 1024],
  ]) {
    const windows = rowWindows(gpuWith(windowBytes), rows, rowBytes);
    assert.ok(windows.length > 1);
    let next = 0;
    for (const window of windows) {
      assert.is(window.first, next);
      assert.is(window.first % 256, 0);
      assert.ok(window.rows * rowBytes <= windowBytes);
      next += window.rows;
    }
    assert.is(next, rows);
  }
});

test('rows that fit have one window, and so do no rows', () => {
  const gpu = gpuWith(2 ** 27);
  assert.equal(
    rowWindows(gpu, 698_880, 192).map(({ first, rows }) => [first, rows]),
    [[0, 698_880]],
  );
  assert.equal(
    rowWindows(gpu, 0, 192).map(({ rows }) => rows),
    [0],
  );
  assert.throws(
    () => rowWindows(gpuWith(191 * 256), 1, 192),
    (error: Error) =>
      error instanceof GpuError && /fewer than 256 rows of 192 bytes.*at least 49152/.test(error.message),
  );
});

test('a window as a binding ends on a whole vec4f, but not beyond the buffer', () => {
  const buffer = { size: 108 * 601 } as GPUBuffer;
  const at = (first: number, rows: number) => bindRows(buffer, { first, rows }, 108);
  assert.equal(at(0, 256), { buffer, offset: 0, size: 108 * 256 });
  assert.equal(at(512, 87), { buffer, offset: 108 * 512, size: 16 * Math.ceil((108 * 87) / 16) });
  assert.equal(at(512, 89), { buffer, offset: 108 * 512, size: 108 * 89 });
});

test('windows larger than the device binds are refused', async () => {
  const error = await openGpu({ windowBytes: 2 ** 40 }).catch((error: Error) => error);
  assert.instance(error, GpuError);
  assert.match(String(error), /windows of 1099511627776 bytes; this device binds \d+ at most/);
});

test('the error of a kernel names the buffer that is larger than a binding, and the options that help', () =>
  withGpu(async (gpu, arena) => {
    const kernel = await gpu.kernel(START_VALUES);
    const small = arena.buffer('small', 16, GPUBufferUsage.UNIFORM);
    const limit = gpu.device.limits.maxStorageBufferBindingSize;
    const large = { label: 'train/large', size: limit + 4 } as GPUBuffer;
    assert.throws(
      () => kernel.bind({ start: small, opacityLogits: small, logScales: large }),
      (error: Error) =>
        error instanceof GpuError &&
        error.message.startsWith(
          `splat/start-values needs ${limit + 4} bytes of train/large in its binding logScales`,
        ) &&
        /load\.downscale.*train\.cap.*init\.shDegree/.test(error.message),
    );
  }));

test('data larger than a piece is uploaded and read back intact', () =>
  withGpu(async (gpu, arena) => {
    const words = Uint32Array.from({ length: 2 ** 24 + 2 ** 23 + 5 }, (_, i) => Math.imul(i, 2654435761));
    const buffer = arena.upload('words', words, 'test');
    const tail = new Uint32Array(await gpu.read(buffer, 'test', words.byteLength - 8, 8));
    assert.is(tail.length, words.length - 2);
    assert.ok(tail.every((word, i) => word === words[i + 2]));
  }));

/** Gaussians to both sides of where the adapter's own binding ends. */
const BESIDE = 300;

test('with two windows, a step moves Gaussians at their edge as it does in a small scene', () =>
  withGpu(async (gpu, arena) => {
    const { camera } = ringDataset().views[1];
    const image = arena.upload('photo', mixed(camera.width * camera.height, 1), 'test');
    const view = { name: 'view', split: 'train' as const, camera, image };
    const rows = hostRows(2 * BESIDE, 3);
    const step = async (state: TrainingState) => {
      const optimizer = await SplatOptimizer.create(state, {
        label: 'test',
        width: camera.width,
        height: camera.height,
        intersections: 1 << 16,
        objectives: [photometricObjective({ dssim: 0.2 })],
        train: GAUSSIAN_PARAMETERS,
      });
      await optimizer.step({ step: 0, view, background: [0, 0, 0], shDegree: 3, rates: RATES });
      assert.is(await optimizer.settle(), undefined);
      optimizer.destroy();
    };
    const small = stateOf(arena, rows, 3);
    for (const name of GAUSSIAN_PARAMETERS) {
      gpu.run('test', (recorder) => recorder.clear(small.moments[name].m).clear(small.moments[name].v));
    }
    await step(small);

    const [{ rows: edge }] = rowWindows(gpu, 2 ** 30, ROW_BYTES[3]);
    const count = edge + BESIDE;
    assert.is(rowWindows(gpu, count, ROW_BYTES[3]).length, 2);
    const large = blankState(arena, { count, shDegree: 3 });
    // All others lie behind the camera.
    const { viewmat } = camera;
    const behind = [0, 1, 2].map((axis) => -100 * viewmat[8 + axis]);
    const means = new Float32Array(3 * count).map((_, i) => behind[i % 3]);
    gpu.write(large.parameters.means, means, 'test');
    const widths = parameterWidths(3);
    const place = (name: GaussianParameter) => 4 * widths[name] * (edge - BESIDE);
    for (const name of GAUSSIAN_PARAMETERS)
      gpu.write(large.parameters[name], rows[name], 'test', place(name));
    await step(large);
    const compared: [string, GPUBuffer, GPUBuffer, GaussianParameter][] = GAUSSIAN_PARAMETERS.flatMap(
      (name) => [
        [name, large.parameters[name], small.parameters[name], name],
        [`${name}/m`, large.moments[name].m, small.moments[name].m, name],
        [`${name}/v`, large.moments[name].v, small.moments[name].v, name],
      ],
    );
    for (const [what, of, expected, name] of compared) {
      const bytes = rows[name].byteLength;
      const found = new Uint32Array(await gpu.read(of, 'test', bytes, place(name)));
      assert.equal(found, await gpu.readWords(expected, 'test', bytes / 4), what);
    }
    const moved = await readRows(small);
    for (const half of [0, 1]) {
      const part = (values: Float32Array) => values.subarray(half * 48 * BESIDE, (half + 1) * 48 * BESIDE);
      assert.ok(wordsThatDiffer(part(moved.sh), part(rows.sh)) > 24 * BESIDE, 'most of both windows move');
    }
  }));

/** What `make` leaves with one window, and with windows of WINDOW_ROWS rows of SH; the bytes must be the same. */
async function compare<T>(shDegree: 2 | 3, make: (gpu: Gpu, arena: Arena) => Promise<T>): Promise<T> {
  const found: T[] = [];
  const body = async (gpu: Gpu, arena: Arena) => void found.push(await make(gpu, arena));
  const rowBytes = ROW_BYTES[shDegree];
  await withGpu((gpu, arena) => {
    assert.is(rowWindows(gpu, MORE, rowBytes).length, 1);
    return body(gpu, arena);
  });
  await withWindows(WINDOW_ROWS * rowBytes, (gpu, arena) => {
    assert.is(rowWindows(gpu, COUNT, rowBytes).length, 3);
    return body(gpu, arena);
  });
  assert.equal(found[1], found[0]);
  return found[0];
}

function photographed(arena: Arena): Dataset {
  const dataset = ringDataset();
  dataset.views.forEach((view, i) => {
    view.image = arena.upload(view.name, mixed(view.camera.width * view.camera.height, i), 'test');
  });
  return dataset;
}

function hostScene(shDegree: 2 | 3): HostGaussians {
  const rows = hostRows(COUNT, shDegree) as Record<GaussianParameter, Float32Array<ArrayBuffer>>;
  return { count: COUNT, shDegree, ...rows };
}

for (const shDegree of [2, 3] as const) {
  test(`a picture of SH ${shDegree} does not depend on windows`, async () => {
    const picture = await compare(shDegree, async (gpu, arena) => {
      const { camera } = ringDataset().views[1];
      const splat = uploadGaussians(gpu, 'test/splat', hostScene(shDegree), 'test');
      const renderer = await SplatRenderer.create(gpu, 'test/renderer');
      const color = arena.buffer('color', 16 * camera.width * camera.height);
      await renderer.render(splat, camera, { color });
      renderer.destroy();
      releaseGaussians(splat);
      return gpu.readWords(color, 'test');
    });
    assert.ok(new Set(picture).size > 1000, 'there is something in the picture');
  });
}

const steps = (trained: readonly GaussianParameter[]) =>
  compare(3, async (_, arena) => {
    const state = stateOf(arena, hostRows(COUNT, 3), 3, MORE);
    const { views } = photographed(arena);
    const optimizer = await SplatOptimizer.create(state, {
      label: 'test',
      width: 40,
      height: 40,
      objectives: [photometricObjective({ dssim: 0.2 })],
      train: trained,
    });
    for (let step = 0; step < 6; step++) {
      const background = backgroundAt('random', 5, step);
      await optimizer.step({ step, view: views[step], background, shDegree: 3, rates: RATES });
    }
    assert.is(await optimizer.settle(), undefined);
    const [rows, m, v] = [
      await readRows(state),
      await readMoments(state, 'm'),
      await readMoments(state, 'v'),
    ];
    optimizer.destroy();
    return { rows, m, v };
  });

test('steps that move SH alone do not depend on windows', async () => {
  const { rows } = await steps(['sh']);
  assert.ok(wordsThatDiffer(rows.sh, hostRows(COUNT, 3).sh) > 0.9 * rows.sh.length);
  assert.equal(rows.means, hostRows(COUNT, 3).means);
});

test('steps that move all parameters do not depend on windows', async () => {
  const { rows } = await steps(GAUSSIAN_PARAMETERS);
  assert.ok(wordsThatDiffer(rows.sh, hostRows(COUNT, 3).sh) > 0.9 * rows.sh.length);
});

test('written gradients, and Adam on them, do not depend on windows', async () => {
  const values = await compare(3, async (gpu, arena) => {
    const { parameters, gaussianCount, moments, capacity } = stateOf(arena, hostRows(COUNT, 3), 3, MORE);
    const { camera } = ringDataset().views[1];
    const { width, height } = camera;
    const options = { label: 'test', gaussianCount, rows: capacity, shDegree: 3, width, height };
    const forward = await Rasterizer.create(gpu, arena, {
      ...options,
      gaussians: parameters,
      intersections: 1 << 16,
    });
    const backward = await RasterizerBackward.create(gpu, arena, forward);
    const written = await ParameterGradients.create(gpu, arena, forward, backward);
    const widths = parameterWidths(3);
    const adam = await Adam.create(gpu, arena, {
      label: 'adam',
      gaussianCount,
      tensors: GAUSSIAN_PARAMETERS.map((name) => ({
        name,
        parameters: parameters[name],
        gradients: written.gradients[name],
        moments: moments[name],
        rows: capacity,
        width: widths[name],
        head: 3,
      })),
    });
    const weights = Float32Array.from({ length: 4 * width * height }, (_, i) => Math.sin(i / 50));
    gpu.write(backward.gradImage, weights, 'test');
    for (let t = 1; t <= 3; t++) {
      forward.setView(camera, { step: t });
      adam.setStep(t, RATES);
      gpu.run('test', (recorder) => {
        for (const part of [forward, backward, written, adam]) part.record(recorder);
      });
    }
    const used = (buffer: GPUBuffer, name: GaussianParameter) =>
      gpu.readFloats(buffer, 'test', widths[name] * COUNT);
    return {
      gradients: await used(written.gradients.sh, 'sh'),
      sh: await used(parameters.sh, 'sh'),
      means: await used(parameters.means, 'means'),
      v: await used(moments.sh.v, 'sh'),
    };
  });
  assert.ok(values.gradients.filter((value) => value !== 0).length > 0.5 * values.gradients.length);
  assert.ok(wordsThatDiffer(values.sh, hostRows(COUNT, 3).sh) > 0.9 * values.sh.length);
});

const trained = (options: TrainInput) =>
  compare(3, async (gpu, arena) => {
    const dataset = photographed(arena);
    const gaussians = uploadGaussians(gpu, 'test/splat', hostScene(3), 'test');
    const given = { steps: 30, shInterval: 0, start: 'keep', ...options } as const;
    const result = await train(gpu, { dataset, gaussians }, given, { seed: 3 });
    const host = await readGaussians(gpu, result, 'test');
    releaseGaussians(gaussians);
    releaseGaussians(result);
    return host;
  });

test('thirty steps of mcmc with its refinements do not depend on windows', async () => {
  const { count } = await trained({
    strategy: 'mcmc',
    cap: MORE,
    mcmc: { refineStart: 0, refineEvery: 4, minOpacity: 0.02 },
  });
  assert.is(count, MORE);
});

test('thirty steps of budget with its refinements do not depend on windows', async () => {
  const { count } = await trained({
    strategy: 'budget',
    cap: MORE,
    budget: { refineStart: 0, refineEvery: 4, minOpacity: 0.02 },
  });
  assert.ok(count > COUNT, `${count} Gaussians`);
});

test('thirty steps of default with its refinements do not depend on windows', async () => {
  const { count } = await trained({
    strategy: 'default',
    default: { refineStart: 0, refineEvery: 4, refineUntil: 1, growGradient: 5e-3, pruneOpacity: 0.02 },
  });
  assert.ok(count > 2 * WINDOW_ROWS && count !== COUNT, `${count} Gaussians`);
});

test.run();
