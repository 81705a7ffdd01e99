import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { random4 } from '../wgsl/core/index.ts';
import { BalancedGradients } from '../wgsl/image/balance-gradients.ts';
import { withGpu } from './helpers/gpu.ts';
import { balanceGradients } from './reference/balance-gradients.ts';

/** More than the invocations of a kernel, and not a multiple of them. */
const PIXELS = 17_003;

const noise = (stream: number, scale: number) =>
  Float32Array.from({ length: 4 * PIXELS }, (_, i) => scale * (random4(stream, 'noise', 0, i)[0] - 0.5));

async function balanced(first: Float32Array, second: Float32Array, weight: number, pixels = PIXELS) {
  let result: Float32Array | undefined;
  await withGpu(async (gpu, arena) => {
    const gradient = arena.buffer('gradient', 16 * PIXELS);
    const buffers = {
      first: arena.upload('first', first, 'test'),
      second: arena.upload('second', second, 'test'),
      gradient,
    };
    const balance = await BalancedGradients.create(arena, buffers, weight);
    balance.setPixels(pixels);
    gpu.run('test', (recorder) => balance.record(recorder));
    result = await gpu.readFloats(gradient, 'test', 4 * pixels);
  });
  return result!;
}

test('adds two gradients by their directions, whatever their magnitudes', async () => {
  const first = noise(1, 1e-6);
  const second = noise(2, 300);
  const found = await balanced(first, second, 0.3);
  const expected = balanceGradients(first, second, 0.3);
  assert.ok(Math.max(...found.map((value, i) => Math.abs(value - expected[i]))) < 1e-8);
  assert.ok(Math.hypot(...expected) > 1, 'the values are not small for another reason');
  assert.equal(found, await balanced(first, second, 0.3), 'the same bytes again');
});

test('a smaller image uses its own pixels only', async () => {
  const first = noise(3, 1);
  const second = noise(4, 1);
  const values = 4 * 501;
  const expected = balanceGradients(first.slice(0, values), second.slice(0, values), 2);
  const found = await balanced(first, second, 2, 501);
  assert.ok(found.every((value, i) => Math.abs(value - expected[i]) < 1e-6));
});

test('a gradient of zeros adds nothing, and is not divided by', async () => {
  const second = noise(5, 1);
  const zero = new Float32Array(4 * PIXELS);
  const alone = await balanced(zero, second, 0.5);
  assert.ok(Math.abs(Math.hypot(...alone) - 0.5) < 1e-4);
  assert.ok((await balanced(zero, zero, 0.5)).every((value) => value === 0));
});

test.run();
