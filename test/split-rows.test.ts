import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { SplitRows } from '../wgsl/splat/densify/split-rows.ts';
import { assertClose } from './helpers/close.ts';
import { withGpu } from './helpers/gpu.ts';
import { uniform } from './helpers/numbers.ts';
import { splitRows } from './reference/split-rows.ts';

const COUNT = 150;
/** All kept, then all first halves, then all second halves. */
const origins = Uint32Array.from({ length: 3 * COUNT }, (_, row) => (row < COUNT ? row : row + COUNT));
const ROWS = origins.length;
const repeat = (values: Float32Array) => Float32Array.from([...values, ...values, ...values]);
const input = {
  origins,
  count: COUNT,
  quats: repeat(uniform(4 * COUNT, 1, -2, 2)),
  means: repeat(uniform(3 * COUNT, 2, -1, 1)),
  logScales: repeat(uniform(3 * COUNT, 3, -3, 1)),
  opacityLogits: repeat(uniform(COUNT, 4, -5, 9)),
};

async function split(seed: number, revisedOpacity: boolean) {
  let result: Record<'means' | 'logScales' | 'opacityLogits', Float32Array> = {
    means: new Float32Array(),
    logScales: new Float32Array(),
    opacityLogits: new Float32Array(),
  };
  await withGpu(async (gpu, arena) => {
    const means = arena.upload('means', input.means, 'test');
    const logScales = arena.upload('logScales', input.logScales, 'test');
    const opacityLogits = arena.upload('opacityLogits', input.opacityLogits, 'test');
    const kernel = await SplitRows.create(
      arena,
      { rows: ROWS, count: COUNT, seed, step: 600, revisedOpacity },
      {
        origins: arena.upload('origins', origins, 'test'),
        quats: arena.upload('quats', input.quats, 'test'),
        means,
        logScales,
        opacityLogits,
      },
    );
    gpu.run('test', (recorder) => kernel.record(recorder));
    result = {
      means: await gpu.readFloats(means, 'test', 3 * ROWS),
      logScales: await gpu.readFloats(logScales, 'test', 3 * ROWS),
      opacityLogits: await gpu.readFloats(opacityLogits, 'test', ROWS),
    };
  });
  return result;
}

for (const revisedOpacity of [false, true]) {
  test(`halves are samples of their parent, shrunk${revisedOpacity ? ', with revised opacity' : ''}`, async () => {
    const found = await split(42, revisedOpacity);
    const expected = splitRows(input, 42, 600, revisedOpacity);
    // A sample is a sum of three products of scales up to e with normals of f32 logarithms and cosines.
    assertClose(found.means, expected.means, { absolute: 2e-5, relative: 1e-5 }, 'means');
    assertClose(found.logScales, expected.logScales, { absolute: 1e-6, relative: 1e-6 }, 'logScales');
    assertClose(
      found.opacityLogits,
      expected.opacityLogits,
      { absolute: 5e-6, relative: 5e-6 },
      'opacityLogits',
    );
    assert.equal(found.means.slice(0, 3 * COUNT), input.means.slice(0, 3 * COUNT), 'the kept stay');
  });
}

test('the two halves differ and depend on the seed; the same seed gives the same bytes', async () => {
  const [a, again, b] = [await split(1, false), await split(1, false), await split(2, false)];
  assert.equal(a, again);
  const half = (means: Float32Array, n: number) => means.slice(3 * COUNT * n, 3 * COUNT * (n + 1));
  assert.not.equal(half(a.means, 1), half(a.means, 2));
  assert.not.equal(half(a.means, 1), half(b.means, 1));
});

test.run();
