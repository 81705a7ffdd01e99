import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { lookAt } from '../stages/artefacts/camera.ts';
import type { View } from '../stages/artefacts/dataset.ts';
import { GAUSSIAN_PARAMETERS, type GaussianParameter } from '../stages/artefacts/gaussians.ts';
import { photometricObjective } from '../stages/optimizer/objectives.ts';
import { type OptimizerOptions, SplatOptimizer } from '../stages/optimizer/optimizer.ts';
import { setCount } from '../stages/optimizer/state.ts';
import { type Arena, Gpu } from '../wgsl/core/index.ts';
import { withGpu } from './helpers/gpu.ts';
import { type HostRows, hostRows, readMoments, readRows, stateOf } from './helpers/state.ts';

const STEPS = 3;
/** More than one block of the kernels, and no whole number of blocks or of vec4f. */
const COUNT = 299;
const [WIDTH, HEIGHT] = [88, 63];
const RATES = { means: 1e-3, logScales: 5e-3, quats: 1e-3, opacityLogits: 5e-2, sh: [2.5e-3, 1e-4] } as const;
const REGULARIZERS = { opacity: 0.01, scale: 0.02 };
type Degree = 0 | 1 | 2 | 3;

/** Small ones, some that cover hundreds of tiles, and some behind the camera. */
function rowsOf(shDegree: Degree): HostRows {
  const rows = hostRows(COUNT, shDegree, 3);
  for (let i = 0; i < COUNT; i++) {
    if (i % 40 === 7) rows.logScales.set([0.3, -0.5, -1], 3 * i);
    if (hidden(i)) rows.means[3 * i + 2] -= 8;
  }
  return rows;
}

function viewOf(arena: Arena): View {
  const pixels = Uint32Array.from({ length: WIDTH * HEIGHT }, (_, p) => 0xff000000 | (p * 2654435761));
  return {
    name: 'view',
    split: 'train',
    camera: {
      width: WIDTH,
      height: HEIGHT,
      fx: 80,
      fy: 80,
      cx: WIDTH / 2,
      cy: HEIGHT / 2,
      viewmat: lookAt([0.5, -1, -4], [0, 0, 0], [0, -1, 0]),
    },
    image: arena.upload('photo', pixels, 'test'),
  };
}

interface Given {
  shDegree: Degree;
  /** Bands in use. */
  active?: number;
  train?: readonly GaussianParameter[];
  rows?: HostRows;
  /** Both moments at the start; unless given, such that a step is in proportion to the gradient. */
  moments?: 'ones';
}

/** Behind the camera. */
const hidden = (row: number) => row % 9 === 2;

/** Takes the steps, and reads what they leave. */
async function optimize(
  gpu: Gpu,
  { shDegree, active = shDegree, train = GAUSSIAN_PARAMETERS, rows = rowsOf(shDegree), moments }: Given,
  options: Pick<OptimizerOptions, 'onGradients'> = {},
) {
  const arena = gpu.arena('test/run');
  try {
    const state = stateOf(arena, rows, shDegree);
    for (const name of moments ? [] : GAUSSIAN_PARAMETERS) {
      const width = rows[name].length / COUNT;
      const v = rows[name].map((_, i) => (hidden(Math.floor(i / width)) ? 0 : 1e-6));
      gpu.write(state.moments[name].m, new Float32Array(v.length), 'test');
      gpu.write(state.moments[name].v, v, 'test');
    }
    const view = viewOf(arena);
    const optimizer = await SplatOptimizer.create(state, {
      label: 'test',
      width: WIDTH,
      height: HEIGHT,
      objectives: [photometricObjective({ dssim: 0.2 })],
      train,
      regularizers: REGULARIZERS,
      ...options,
    });
    for (let step = 0; step < STEPS; step++) {
      await optimizer.step({ step, view, background: [0.1, 0.2, 0.3], shDegree: active, rates: RATES });
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

const plainly = { onGradients: async () => ({ record() {} }) };

/** The largest |a − b| as a share of `unit`, which may depend on the place. */
function apart(a: Float32Array, b: Float32Array, unit: (i: number) => number): number {
  assert.is(a.length, b.length);
  let most = 0;
  a.forEach((value, i) => {
    most = Math.max(most, Math.abs(value - b[i]) / unit(i));
  });
  return most;
}

/** Moments agree to 1e-4 of the largest; parameters to an ulp and a thousandth of what the steps can move them. */
function assertAlike(a: Awaited<ReturnType<typeof optimize>>, b: typeof a, what: string): void {
  for (const name of GAUSSIAN_PARAMETERS) {
    const rate = name === 'sh' ? RATES.sh[0] : RATES[name];
    const unit = (i: number) => 1e-3 * STEPS * rate + 2 ** -23 * Math.abs(b.parameters[name][i]);
    const parameters = apart(a.parameters[name], b.parameters[name], unit);
    assert.ok(parameters <= 1, `${what}: ${name} are ${parameters} of the tolerance apart`);
    for (const moment of ['m', 'v'] as const) {
      const largest = b[moment][name].reduce((most, value) => Math.max(most, Math.abs(value)), 1e-12);
      const found = apart(a[moment][name], b[moment][name], () => 1e-4 * largest);
      assert.ok(found <= 1, `${what}: ${moment} of ${name} are ${found} of the tolerance apart`);
    }
  }
  const screen = apart(a.screen, b.screen, (i) => 1e-4 * (1e-3 + Math.abs(b.screen[i])));
  assert.ok(screen <= 1, `${what}: screen ${screen}`);
  assert.ok(b.screen.some((value) => value > 0));
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
  test(`SH ${shDegree}: a choice of parameters moves as by way of plain gradients; the rest stays`, () =>
    withGpu(async (gpu) => {
      const rows = rowsOf(shDegree);
      for (const train of shDegree === 1 ? SUBSETS : OF_DEGREE) {
        const what = train.join(', ');
        const found = await optimize(gpu, { shDegree, train, rows });
        assertAlike(found, await optimize(gpu, { shDegree, train, rows }, plainly), what);
        for (const name of GAUSSIAN_PARAMETERS) {
          if (train.includes(name)) assert.not.equal(found.parameters[name], rows[name], `${what}: ${name}`);
          else assert.equal(found.parameters[name], rows[name], `${what}: ${name}`);
        }
      }
    }));
}

test('bands that are not in use have no gradient, and their moments decay', () =>
  withGpu(async (gpu) => {
    const given = { shDegree: 3, active: 1, moments: 'ones' } as const;
    const found = await optimize(gpu, given);
    assertAlike(found, await optimize(gpu, given, plainly), 'SH 1 of 3');
    const m = found.m.sh.filter((_, i) => i % 48 >= 12);
    assert.ok(m.every((value) => Math.abs(value - 0.9 ** STEPS) < 1e-6));
  }));

test('the kernels for a CPU move as those for a GPU', () =>
  withGpu(async (gpu) => {
    // What the hosts choose by is what the adapter is said to be.
    const as = (software: boolean) => new Gpu(gpu.device, { ...gpu.adapter, software });
    const given = { shDegree: 2, active: 1 } as const;
    assertAlike(await optimize(as(true), given), await optimize(as(false), given), 'SH 1 of 2');
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
    const view = viewOf(arena);
    const optimizer = await SplatOptimizer.create(state, {
      label: 'test',
      width: WIDTH,
      height: HEIGHT,
      objectives: [photometricObjective({ dssim: 0.2 })],
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

test.run();
