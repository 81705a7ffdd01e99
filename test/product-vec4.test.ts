import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { activationConstants } from '../wgsl/nn/elementwise.ts';
import { dispatchVec4Product, VEC4_TILES, type Vec4Product, vec4TileFor } from '../wgsl/nn/product-vec4.ts';
import { testGpu, withGpu } from './helpers/gpu.ts';
import { uniform } from './helpers/numbers.ts';
import { near } from './helpers/vjp.ts';
import { gelu } from './reference/activation.ts';
import { product } from './reference/product.ts';

// f32 sums of up to 204 products of numbers below 1.
const TOLERANCE = 1e-5;
// One row more than a tile has, and columns and depth that no tile and no slab divides.
const [COLUMNS, DEPTH] = [140, 204];

function transposed(values: Float32Array, rows: number, columns: number): Float32Array {
  return values.map((_, i) => values[(i % rows) * columns + Math.floor(i / rows)]);
}

VEC4_TILES.forEach((tile, i) => {
  // Two epilogues and orientations, in turn.
  const isForward = i % 2 === 0;
  const name = `tile of ${tile.rows} × ${tile.columns}, ${isForward ? 'transposed B, bias, residual' : 'accumulation'}`;
  test(name, () =>
    withGpu(async (gpu, arena) => {
      const rows = tile.rows + 1;
      const [a, b] = [uniform(rows * DEPTH, 1, -1, 1), uniform(DEPTH * COLUMNS, 2, -1, 1)];
      const [bias, summand] = [uniform(COLUMNS, 3), uniform(rows * COLUMNS, 4)];
      const c = arena.upload('c', summand, 'test');
      const epilogue = isForward
        ? { bias: arena.upload('bias', bias, 'test'), residual: arena.upload('residual', summand, 'test') }
        : { accumulates: true };
      const spec: Vec4Product = {
        label: 'test',
        rows,
        columns: COLUMNS,
        depth: DEPTH,
        a: arena.upload('a', a, 'test'),
        b: arena.upload('b', isForward ? transposed(b, DEPTH, COLUMNS) : b, 'test'),
        bIsTransposed: isForward,
        c,
        ...epilogue,
      };
      const { bound, groups } = await dispatchVec4Product({ arena, target: 'portable' }, spec, tile);
      gpu.run('test', (recorder) => recorder.run(bound, groups));
      const expected = product(a, b, rows, COLUMNS, DEPTH).map(
        (sum, at) => sum + summand[at] + (isForward ? bias[at % COLUMNS] : 0),
      );
      near(await gpu.readFloats(c, 'test', expected.length), expected, TOLERANCE, name);
    }),
  );
});

test('the activation, and its derivative by differences', () =>
  withGpu(async (gpu, arena) => {
    const [rows, columns, depth] = [5, 12, 8];
    const tile = VEC4_TILES[VEC4_TILES.length - 1];
    const [a, b] = [uniform(rows * depth, 5, -1, 1), uniform(depth * columns, 6, -1, 1)];
    const sums = product(a, b, rows, columns, depth);
    const preactivation = arena.buffer('preactivation', 4 * rows * columns);
    const c = arena.buffer('c', 4 * rows * columns);
    const run = async (role: 'apply' | 'differentiate') => {
      const { bound, groups } = await dispatchVec4Product(
        { arena, target: 'portable' },
        {
          label: 'test',
          rows,
          columns,
          depth,
          a: arena.upload('a', a, 'test'),
          b: arena.upload('b', b, 'test'),
          bIsTransposed: false,
          c,
          activation: { role, constants: activationConstants('gelu'), preactivation },
        },
        tile,
      );
      gpu.run('test', (recorder) => recorder.run(bound, groups));
      return gpu.readFloats(c, 'test', rows * columns);
    };
    near(await run('apply'), sums.map(gelu), TOLERANCE, 'activation');
    near(
      await gpu.readFloats(preactivation, 'test', rows * columns),
      sums,
      TOLERANCE,
      'before the activation',
    );
    const step = 1e-5;
    const derivative = sums.map((x) => (gelu(x + step) - gelu(x - step)) / (2 * step));
    near(
      await run('differentiate'),
      sums.map((sum, i) => sum * derivative[i]),
      TOLERANCE,
      'derivative',
    );
  }));

test('few rows get small tiles, many rows large ones; the memory of every tile is within the promised limit', async () => {
  assert.ok((await testGpu()).device.limits.maxComputeWorkgroupStorageSize >= 16384);
  assert.is(vec4TileFor({ rows: 50, columns: 768 }).rows, 16);
  assert.is(vec4TileFor({ rows: 3200, columns: 3072 }).rows, 64);
  for (const { rows, columns, cellRows, cellColumns, kGroups, depth } of VEC4_TILES) {
    const group = (rows * columns) / (cellRows * cellColumns);
    const slabs = 4 * kGroups * depth * (rows + columns);
    const cells = kGroups > 1 ? 64 * group * kGroups : 0;
    assert.ok(Math.max(slabs, cells) <= 16384, `${rows} × ${columns}: memory`);
    assert.ok(group * kGroups <= 256, `${rows} × ${columns}: invocations`);
    // Every invocation reads two blocks of a slab at most.
    assert.ok(((rows + columns) / 4) * (depth / 4) <= 2 * group, `${rows} × ${columns}: blocks`);
  }
});

test.run();
