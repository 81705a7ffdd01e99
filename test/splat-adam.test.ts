import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Camera, lookAt } from '../stages/artefacts/camera.ts';
import { GAUSSIAN_PARAMETERS, type GaussianParameter } from '../stages/artefacts/gaussians.ts';
import type { ObjectiveFactory } from '../stages/optimizer/objectives.ts';
import { SplatOptimizer } from '../stages/optimizer/optimizer.ts';
import { setCount } from '../stages/optimizer/state.ts';
import { Gpu, KERNEL_TARGETS } from '../wgsl/core/index.ts';
import { withGpu } from './helpers/gpu.ts';
import { uniform } from './helpers/numbers.ts';
import { type HostRows, hostRows, readMoments, readRows, stateOf } from './helpers/state.ts';
import { adamStep, regularize } from './reference/adam.ts';
import { RasterReference, type SplatArrays } from './reference/raster.ts';

const STEPS = 3;
/** More than one block of the kernels, and no whole number of blocks or of vec4f. */
const COUNT = 299;
const [WIDTH, HEIGHT] = [88, 63];
const PIXELS = WIDTH * HEIGHT;
const RATES = { means: 1e-3, logScales: 5e-3, quats: 1e-3, opacityLogits: 5e-2, sh: [2.5e-3, 1e-4] } as const;
const REGULARIZERS = { opacity: 0.01, scale: 0.02 };
const BACKGROUND = [0.1, 0.2, 0.3] as const;
type Degree = 0 | 1 | 2 | 3;

const CAMERA: Camera = {
  width: WIDTH,
  height: HEIGHT,
  fx: 80,
  fy: 80,
  cx: WIDTH / 2,
  cy: HEIGHT / 2,
  viewmat: lookAt([0.5, -1, -4], [0, 0, 0], [0, -1, 0]),
};
/** dL/dr, dL/dg, dL/db, dL/dalpha of every pixel: the loss is linear in the picture, so that they never change. */
const WEIGHTS = uniform(4 * PIXELS, 8, -1e-4, 1e-4);

/** Small ones, some that cover hundreds of tiles, and some behind the camera. */
function rowsOf(shDegree: Degree, seed = 3): HostRows {
  const rows = hostRows(COUNT, shDegree, seed);
  for (let i = 0; i < COUNT; i++) {
    if (i % 40 === 7) rows.logScales.set([0.3, -0.5, -1], 3 * i);
    if (hidden(i)) rows.means[3 * i + 2] -= 8;
  }
  return rows;
}

interface Given {
  shDegree: Degree;
  /** Bands in use. */
  active?: number;
  train?: readonly GaussianParameter[];
  rows?: HostRows;
  antialias?: boolean;
  /** Both moments at the start; unless given, such that a step is in proportion to the gradient. */
  moments?: 'ones';
}

/** Behind the camera. */
const hidden = (row: number) => row % 9 === 2;

/** The moments at the start, of a parameter with these rows. */
function startMoments(values: Float32Array, moments: Given['moments']): { m: Float32Array; v: Float32Array } {
  if (moments) return { m: values.map(() => 1), v: values.map(() => 1) };
  const width = values.length / COUNT;
  return { m: values.map(() => 0), v: values.map((_, i) => (hidden(Math.floor(i / width)) ? 0 : 1e-6)) };
}

const linearObjective: ObjectiveFactory = async (_gpu, arena, picture) => {
  const weights = arena.upload('weights', WEIGHTS, 'test');
  return {
    overwrites: true,
    prepare() {},
    record: (recorder) => void recorder.copy(weights, picture.gradient, WEIGHTS.byteLength),
    metrics: [],
  };
};

/** Takes the steps, and reads their results. */
async function optimize(
  gpu: Gpu,
  {
    shDegree,
    active = shDegree,
    train = GAUSSIAN_PARAMETERS,
    rows = rowsOf(shDegree),
    antialias = false,
    moments,
  }: Given,
): Promise<Result<Float32Array>> {
  const arena = gpu.arena('test/run');
  try {
    const state = { ...stateOf(arena, rows, shDegree), antialias };
    for (const name of GAUSSIAN_PARAMETERS) {
      const start = startMoments(rows[name], moments);
      gpu.write(state.moments[name].m, start.m, 'test');
      gpu.write(state.moments[name].v, start.v, 'test');
    }
    const image = arena.upload('photo', new Uint32Array(PIXELS), 'test');
    const view = { name: 'view', split: 'train' as const, camera: CAMERA, image };
    const optimizer = await SplatOptimizer.create(state, {
      label: 'test',
      width: WIDTH,
      height: HEIGHT,
      objectives: [linearObjective],
      train,
      regularizers: REGULARIZERS,
    });
    for (let step = 0; step < STEPS; step++) {
      await optimizer.step({ step, view, background: [...BACKGROUND], shDegree: active, rates: RATES });
    }
    assert.is(await optimizer.settle(), undefined);
    const screen = await gpu.readFloats(state.screen, 'test', 2 * COUNT);
    const [parameters, m, v] = [
      await readRows(state),
      await readMoments(state, 'm'),
      await readMoments(state, 'v'),
    ];
    optimizer.destroy();
    return { parameters, m, v, screen };
  } finally {
    arena.destroy();
  }
}

interface Result<T> {
  parameters: Record<GaussianParameter, T>;
  m: Record<GaussianParameter, T>;
  v: Record<GaussianParameter, T>;
  /** Of the last step. */
  screen: T;
}

/** Above the relative error of an α in f32. */
const MARGIN = 2e-5;

/** The first scene in which rounding decides nothing: a pixel on the other side of the cut at α = 1/255 is no error of a kernel. */
function decided(given: Omit<Given, 'rows'>): { rows: HostRows; result: Result<Float64Array> } {
  for (let seed = 3; ; seed++) {
    const rows = rowsOf(given.shDegree, seed);
    const { margin, ...result } = expected({ ...given, rows });
    if (margin > MARGIN) return { rows, result };
  }
}

/** The same steps in double precision: the backward pass, the regularisers and Adam, one after the other. */
function expected({
  shDegree,
  active = shDegree,
  train = GAUSSIAN_PARAMETERS,
  rows = rowsOf(shDegree),
  antialias,
  moments,
}: Given): Result<Float64Array> & { margin: number } {
  const each = (make: (name: GaussianParameter) => ArrayLike<number>) =>
    Object.fromEntries(GAUSSIAN_PARAMETERS.map((name) => [name, Float64Array.from(make(name))])) as Record<
      GaussianParameter,
      Float64Array
    >;
  const parameters = each((name) => rows[name]);
  const m = each((name) => startMoments(rows[name], moments).m);
  const v = each((name) => startMoments(rows[name], moments).v);
  const viewmat = [0, 1, 2, 3].map((row) => CAMERA.viewmat.slice(4 * row, 4 * row + 4));
  const weightImage = WEIGHTS.filter((_, i) => i % 4 < 3);
  const weightAlpha = WEIGHTS.filter((_, i) => i % 4 === 3);
  let screen = new Float64Array();
  let margin = Number.POSITIVE_INFINITY;
  for (let t = 1; t <= STEPS; t++) {
    const judge = new RasterReference(
      parameters satisfies SplatArrays,
      { ...CAMERA, viewmat },
      BACKGROUND,
      active,
      antialias,
    );
    const gradients = judge.backward(weightImage, weightAlpha);
    margin = Math.min(margin, judge.margin);
    const pull = regularize(parameters.opacityLogits, parameters.logScales, REGULARIZERS);
    for (const name of ['opacityLogits', 'logScales'] as const) {
      pull[name].forEach((value, i) => {
        gradients[name][i] += value;
      });
    }
    const shWidth = parameters.sh.length / COUNT;
    for (const name of train) {
      const rate = (i: number) => (name === 'sh' ? RATES.sh[i % shWidth < 3 ? 0 : 1] : RATES[name]);
      adamStep({ parameters: parameters[name], m: m[name], v: v[name] }, gradients[name], t, rate);
    }
    screen = gradients.screen;
  }
  return { parameters, m, v, screen, margin };
}

/** The largest |a − b| as a share of `unit`, which may depend on the place. */
function largestDifference(a: Float32Array, b: Float64Array, unit: (i: number) => number): number {
  assert.is(a.length, b.length);
  let largest = 0;
  a.forEach((value, i) => {
    const distance = Math.abs(value - b[i]) / unit(i);
    if (!(distance <= largest)) largest = distance;
  });
  return largest;
}

/** Moments agree to 1e-4 of the largest; parameters to an ulp and a thousandth of the steps' reach. */
function assertAlike(a: Result<Float32Array>, b: Result<Float64Array>, where: string): void {
  const wrong: string[] = [];
  const check = (what: string, distance: number) => {
    if (!(distance <= 1)) wrong.push(`${where}: ${what} differ by ${distance} of the tolerance`);
  };
  for (const name of GAUSSIAN_PARAMETERS) {
    const rate = name === 'sh' ? RATES.sh[0] : RATES[name];
    const unit = (i: number) => 1e-3 * STEPS * rate + 2 ** -23 * Math.abs(b.parameters[name][i]);
    check(name, largestDifference(a.parameters[name], b.parameters[name], unit));
    for (const moment of ['m', 'v'] as const) {
      const largest = b[moment][name].reduce((maximum, value) => Math.max(maximum, Math.abs(value)), 1e-12);
      check(
        `${moment} of ${name}`,
        largestDifference(a[moment][name], b[moment][name], () => 1e-4 * largest),
      );
    }
  }
  // A Gaussian that reaches no pixel has a radius by its projection alone; the kernels leave 0.
  const screen = b.screen.map((value, i) => (a.screen[i | 1] === 0 && b.screen[i & ~1] === 0 ? 0 : value));
  check(
    'screen',
    largestDifference(a.screen, screen, (i) => 1e-4 * (1e-3 + Math.abs(screen[i]))),
  );
  assert.equal(wrong, []);
  assert.ok(a.screen.filter((value) => value > 0).length > COUNT / 2);
}

const SUBSETS = Array.from({ length: 31 }, (_, bits) =>
  GAUSSIAN_PARAMETERS.filter((_, i) => ((bits + 1) >> i) & 1),
);
/** What the kernels that depend on the degree can be asked for: sh or not, geometry or not, and one parameter of it. */
const OF_DEGREE = SUBSETS.filter(
  (train) =>
    train.length === 5 ||
    ['sh', 'means', 'logScales'].includes(train.join()) ||
    (!train.includes('sh') && train.length === 4),
);
for (const shDegree of [0, 1, 2, 3] as const) {
  test(`SH ${shDegree}: the trained parameters move as in double precision; the rest stays`, () =>
    withGpu(async (gpu) => {
      for (const train of shDegree === 1 ? SUBSETS : OF_DEGREE) {
        const what = train.join(', ');
        const { rows, result } = decided({ shDegree, train });
        const found = await optimize(gpu, { shDegree, train, rows });
        assertAlike(found, result, what);
        for (const name of GAUSSIAN_PARAMETERS) {
          if (train.includes(name)) assert.not.equal(found.parameters[name], rows[name], `${what}: ${name}`);
          else assert.equal(found.parameters[name], rows[name], `${what}: ${name}`);
        }
      }
    }));
}

test('unused bands have no gradient, and their moments decay', () =>
  withGpu(async (gpu) => {
    const given = { shDegree: 3, active: 1, moments: 'ones' } as const;
    const { rows, result } = decided(given);
    const found = await optimize(gpu, { ...given, rows });
    assertAlike(found, result, 'SH 1 of 3');
    const m = found.m.sh.filter((_, i) => i % 48 >= 12);
    assert.ok(m.every((value) => Math.abs(value - 0.9 ** STEPS) < 1e-6));
  }));

test('antialiased, the parameters move as in double precision', () =>
  withGpu(async (gpu) => {
    const given = { shDegree: 1, antialias: true } as const;
    const { rows, result } = decided(given);
    assertAlike(await optimize(gpu, { ...given, rows }), result, 'antialiased');
  }));

test('the kernels of every target move as in double precision', () =>
  withGpu(async (gpu) => {
    const { device, adapter, numbering } = gpu;
    const given = { shDegree: 2, active: 1 } as const;
    const { rows, result } = decided(given);
    for (const target of KERNEL_TARGETS.filter((target) => gpu.supports(target))) {
      const as = new Gpu(device, adapter, { target, numbering });
      assertAlike(await optimize(as, { ...given, rows }), result, target);
    }
  }));

test('buffers that hold no whole number of vec4f are refused', () =>
  withGpu(async (_, arena) => {
    const state = stateOf(arena, rowsOf(1), 1);
    const means = arena.buffer('short', 12 * COUNT);
    const image = arena.upload('photo', new Uint32Array(PIXELS), 'test');
    const view = { name: 'view', split: 'train' as const, camera: CAMERA, image };
    const error = await SplatOptimizer.create(
      { ...state, parameters: { ...state.parameters, means } },
      {
        label: 'test',
        width: WIDTH,
        height: HEIGHT,
        objectives: [linearObjective],
        train: GAUSSIAN_PARAMETERS,
      },
    )
      .then((optimizer) =>
        optimizer.step({ step: 0, view, background: [0, 0, 0], shDegree: 1, rates: RATES }),
      )
      .catch((reason: unknown) => reason);
    assert.match(String(error), /of means has 3588 bytes; round the size up to a multiple of 16 bytes/);
  }));

test('the same bytes on every run', () =>
  withGpu(async (gpu) => {
    assert.equal(await optimize(gpu, { shDegree: 2 }), await optimize(gpu, { shDegree: 2 }));
  }));

test('rows beyond the count stay, and a void step changes nothing', () =>
  withGpu(async (_, arena) => {
    const shDegree = 2;
    const rows = rowsOf(shDegree);
    const state = stateOf(arena, rows, shDegree);
    const image = arena.upload('photo', new Uint32Array(PIXELS), 'test');
    const view = { name: 'view', split: 'train' as const, camera: CAMERA, image };
    const optimizer = await SplatOptimizer.create(state, {
      label: 'test',
      width: WIDTH,
      height: HEIGHT,
      objectives: [linearObjective],
      train: GAUSSIAN_PARAMETERS,
      regularizers: REGULARIZERS,
    });
    for (const count of [0, 261]) {
      setCount(state, count);
      await optimizer.step({ step: 0, view, background: [0, 0, 0], shDegree, rates: RATES });
      await optimizer.settle();
      state.count = COUNT;
      const after = await readRows(state);
      const m = await readMoments(state, 'm');
      for (const name of GAUSSIAN_PARAMETERS) {
        const from = (count * rows[name].length) / COUNT;
        assert.equal(after[name].subarray(from), rows[name].subarray(from), `${count}: ${name}`);
        assert.ok(
          m[name].subarray(from).every((value) => value === 1),
          `${count}: ${name}`,
        );
        if (count) assert.not.equal(after[name].subarray(0, from), rows[name].subarray(0, from), name);
      }
    }
    optimizer.destroy();
  }));

test('the gradient of the regularisers agrees with finite differences', () => {
  const rows = rowsOf(0);
  const gradient = regularize(rows.opacityLogits, rows.logScales, REGULARIZERS);
  for (const name of ['opacityLogits', 'logScales'] as const) {
    const at = (i: number, offset: number) => {
      const moved = { ...rows, [name]: Float64Array.from(rows[name]) };
      moved[name][i] += offset;
      return regularize(moved.opacityLogits, moved.logScales, REGULARIZERS).loss;
    };
    for (const i of [0, 17, 290]) {
      const numeric = (at(i, 1e-4) - at(i, -1e-4)) / 2e-4;
      assert.ok(Math.abs(numeric - gradient[name][i]) < 1e-6 * Math.abs(numeric) + 1e-12, `${name}[${i}]`);
    }
  }
});

test.run();
