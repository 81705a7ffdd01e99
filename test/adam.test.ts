import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Arena, type Gpu, random4 } from '../wgsl/core/index.ts';
import { Adam } from '../wgsl/optim/adam.ts';
import { withGpu, withWindows } from './helpers/gpu.ts';
import { adamStep } from './reference/adam.ts';

const ROWS = 800;
const USED = 690;
/** The minimum number of rows of a window: the count lies within the third of four. */
const WINDOW_ROWS = 256;
const WIDTH = 12;
const HEAD = 3;
const RATES = [0.01, 0.0005] as const;

const floats = (count: number, step: number) =>
  Float32Array.from({ length: count }, (_, i) => random4(1, 'init', step, i)[0] - 0.5);

async function follows(gpu: Gpu, arena: Arena): Promise<void> {
  const start = floats(ROWS * WIDTH, 0);
  const zeros = () => new Float32Array(ROWS * WIDTH);
  const parameters = arena.upload('p', start, 'test');
  const gradients = arena.upload('g', zeros(), 'test');
  const moments = { m: arena.upload('m', zeros(), 'test'), v: arena.upload('v', zeros(), 'test') };
  const gaussianCount = arena.upload('gaussianCount', new Uint32Array([USED]), 'test');
  const tensors = [{ name: 'sh', parameters, gradients, moments, rows: ROWS, width: WIDTH, head: HEAD }];
  const adam = await Adam.create(gpu, arena, { label: 'adam', gaussianCount, tensors });

  const used = USED * WIDTH;
  const expected = {
    parameters: Float64Array.from(start.subarray(0, used)),
    m: new Float64Array(used),
    v: new Float64Array(used),
  };
  for (let t = 1; t <= 10; t++) {
    const g = floats(ROWS * WIDTH, t);
    gpu.write(gradients, g, 'test');
    adam.setStep(t, { sh: RATES });
    gpu.run('adam', (recorder) => adam.record(recorder));
    adamStep(expected, g, t, (i) => RATES[i % WIDTH < HEAD ? 0 : 1]);
  }
  const actual = await gpu.readFloats(parameters, 'test');
  for (let i = 0; i < used; i++) {
    assert.ok(Math.abs(actual[i] - expected.parameters[i]) < 2e-6, `parameter ${i}`);
  }
  assert.equal(actual.subarray(used), start.subarray(used), 'rows beyond the count stay');

  // The overflow latch sets the count to zero: then nothing may change, moments included.
  const before = await gpu.read(moments.m, 'test');
  gpu.write(gaussianCount, new Uint32Array([0]), 'test');
  gpu.run('adam', (recorder) => adam.record(recorder));
  assert.equal(await gpu.readFloats(parameters, 'test'), actual);
  assert.equal(new Uint8Array(await gpu.read(moments.m, 'test')), new Uint8Array(before));
}

test('Adam agrees with torch over ten steps, with two rates in a row and a count on the GPU', () =>
  withGpu(follows));

test('Adam agrees with torch on buffers that are larger than a window', () =>
  withWindows(4 * WIDTH * WINDOW_ROWS, follows));

test.run();
