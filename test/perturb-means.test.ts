import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { PerturbMeans } from '../wgsl/splat/densify/perturb-means.ts';
import { assertClose } from './helpers/close.ts';
import { withGpu } from './helpers/gpu.ts';
import { uniform } from './helpers/numbers.ts';
import { perturbMeans } from './reference/perturb-means.ts';

const COUNT = 300;
const input = {
  means: uniform(3 * COUNT, 1, -1, 1),
  logScales: uniform(3 * COUNT, 2, -4, 0),
  quats: uniform(4 * COUNT, 3, -2, 2),
  opacityLogits: uniform(COUNT, 4, -9, 0),
};

async function perturb(seed: number, step: number, scale: number, count = COUNT): Promise<Float32Array> {
  let result: Float32Array = new Float32Array();
  await withGpu(async (gpu, arena) => {
    const means = arena.upload('means', input.means, 'test');
    const kernel = await PerturbMeans.create(arena);
    kernel.bind({
      gaussianCount: arena.upload('gaussianCount', new Uint32Array([count]), 'test'),
      means,
      logScales: arena.upload('logScales', input.logScales, 'test'),
      quats: arena.upload('quats', input.quats, 'test'),
      opacityLogits: arena.upload('opacityLogits', input.opacityLogits, 'test'),
    });
    gpu.run('test', (recorder) => kernel.record(recorder, COUNT, { seed, step, scale }));
    result = await gpu.readFloats(means, 'test', 3 * COUNT);
  });
  return result;
}

test('moves means by gated noise shaped by their covariance', async () => {
  const found = await perturb(42, 7, 3);
  const expected = perturbMeans(input, 42, 7, 3);
  assertClose(found, expected, { absolute: 1e-5, relative: 1e-5 });
  const moved = expected.filter((value, i) => Math.abs(value - input.means[i]) > 1e-3).length;
  assert.ok(moved > COUNT, `enough moves to be compared: ${moved}`);
});

test('opaque Gaussians stay where they are', async () => {
  const found = await perturb(42, 7, 3);
  input.opacityLogits.forEach((logit, row) => {
    if (logit < -0.5) return;
    for (let i = 3 * row; i < 3 * row + 3; i++) assert.is(found[i], input.means[i]);
  });
});

test('noise is a function of seed and step', async () => {
  const first = await perturb(1, 7, 3);
  assert.equal(await perturb(1, 7, 3), first);
  assert.not.equal(await perturb(2, 7, 3), first);
  assert.not.equal(await perturb(1, 8, 3), first);
});

test('a void step, whose count is 0, moves nothing', async () => {
  assert.equal(await perturb(1, 7, 3, 0), input.means);
});

test.run();
