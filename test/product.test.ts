import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { linear as linearOp } from '../wgsl/nn/linear.ts';
import { dispatchProduct, matrix, transposed } from '../wgsl/nn/product.ts';
import { transposedCopy } from '../wgsl/nn/transpose.ts';
import { withGpu } from './helpers/gpu.ts';
import { uniform } from './helpers/numbers.ts';
import { checkOp, near, targetsOf } from './helpers/vjp.ts';
import { linear, product } from './reference/product.ts';

// f32 sums of up to 200 products of numbers below 2.
const TOLERANCE = 1e-5;

test('products of all sizes around the tiles, all targets, any strides', () =>
  withGpu(async (gpu, arena) => {
    for (const [rows, columns, depth] of [
      [1, 1, 1],
      [7, 31, 5],
      [9, 33, 16],
      [65, 66, 17],
      [130, 129, 200],
      // Whole vec4s, which the CPU variant loads as such.
      [3, 4, 4],
      [8, 36, 8],
      [17, 68, 20],
      [65, 96, 132],
    ]) {
      const [a, b] = [uniform(rows * depth, 1, -1, 1), uniform(depth * columns, 2, -1, 1)];
      const expected = product(a, b, rows, columns, depth);
      const turn = (x: Float32Array, m: number, n: number) =>
        x.map((_, i) => x[(i % m) * n + Math.floor(i / m)]);
      const aRows = matrix(arena.upload('a', a, 'test'), depth);
      const bRows = matrix(arena.upload('b', b, 'test'), columns);
      const aColumns = transposed(matrix(arena.upload('aT', turn(a, rows, depth), 'test'), rows));
      const bColumns = transposed(matrix(arena.upload('bT', turn(b, depth, columns), 'test'), depth));
      const layouts = [
        { a: aRows, b: bRows },
        { a: aRows, b: bColumns },
        { a: aColumns, b: bRows },
        { a: aColumns, b: bColumns },
      ];
      for (const target of targetsOf(gpu)) {
        for (const [i, operands] of layouts.entries()) {
          const c = arena.buffer('c', 4 * rows * columns);
          const spec = { label: 'test', rows, columns, depth, ...operands, c: matrix(c, columns) };
          const { bound, groups } = await dispatchProduct({ arena, target }, spec);
          gpu.run('test', (recorder) => recorder.run(bound, groups));
          const found = await gpu.readFloats(c, 'test', rows * columns);
          near(found, expected, TOLERANCE, `${target} ${rows}×${columns}×${depth}, layout ${i}`);
        }
      }
    }
  }));

test('batches and heads by strides; alpha, bias, residual and accumulation', () =>
  withGpu(async (gpu, arena) => {
    const [batches, heads, rows, columns, depth] = [2, 3, 5, 4, 6];
    // A [batch, row, head, depth], B [batch, head, column, depth], C [batch, row, head, column]: as attention packs them.
    const a = uniform(batches * rows * heads * depth, 3, -1, 1);
    const b = uniform(batches * heads * columns * depth, 4, -1, 1);
    const [bias, residual] = [uniform(columns, 5), uniform(batches * rows * heads * columns, 6)];
    const start = uniform(residual.length, 7);
    const expected = Float64Array.from(start, (value, i) => {
      const column = i % columns;
      const head = Math.floor(i / columns) % heads;
      const row = Math.floor(i / columns / heads) % rows;
      const batch = Math.floor(i / columns / heads / rows);
      let sum = 0;
      for (let k = 0; k < depth; k++) {
        sum +=
          a[((batch * rows + row) * heads + head) * depth + k] *
          b[((batch * heads + head) * columns + column) * depth + k];
      }
      return 0.5 * sum + bias[column] + residual[i] + value;
    });
    for (const target of targetsOf(gpu)) {
      const c = arena.upload('c', start, 'test');
      const { bound, groups } = await dispatchProduct(
        { arena, target },
        {
          label: 'test',
          rows,
          columns,
          depth,
          batches,
          heads,
          alpha: 0.5,
          a: {
            buffer: arena.upload('a', a, 'test'),
            batchStride: rows * heads * depth,
            headStride: depth,
            rowStride: heads * depth,
            columnStride: 1,
          },
          b: {
            buffer: arena.upload('b', b, 'test'),
            batchStride: heads * columns * depth,
            headStride: columns * depth,
            rowStride: 1,
            columnStride: depth,
          },
          c: {
            buffer: c,
            batchStride: rows * heads * columns,
            headStride: columns,
            rowStride: heads * columns,
            columnStride: 1,
          },
          bias: arena.upload('bias', bias, 'test'),
          residual: arena.upload('residual', residual, 'test'),
          accumulates: true,
        },
      );
      gpu.run('test', (recorder) => recorder.run(bound, groups));
      near(await gpu.readFloats(c, 'test', expected.length), expected, TOLERANCE, target);
    }
  }));

test('a depth and columns that are no whole vec4s, in rows that are', () =>
  withGpu(async (gpu, arena) => {
    const [rows, columns, depth, stride] = [9, 6, 10, 12];
    const [a, b] = [uniform(rows * depth, 14, -1, 1), uniform(depth * columns, 15, -1, 1)];
    const expected = product(a, b, rows, columns, depth);
    // What is behind a row must not count, whatever it is.
    const padded = (x: ArrayLike<number>, count: number, width: number) =>
      Float32Array.from({ length: count * stride }, (_, i) =>
        i % stride < width ? x[Math.floor(i / stride) * width + (i % stride)] : Number.POSITIVE_INFINITY,
      );
    const bT = b.map((_, i) => b[(i % depth) * columns + Math.floor(i / depth)]);
    const aRows = matrix(arena.upload('a', padded(a, rows, depth), 'test'), stride);
    const bRows = matrix(arena.upload('b', padded(b, depth, columns), 'test'), stride);
    const bColumns = transposed(matrix(arena.upload('bT', padded(bT, columns, depth), 'test'), stride));
    for (const target of targetsOf(gpu)) {
      for (const [i, operand] of [bRows, bColumns].entries()) {
        const c = matrix(arena.buffer('c', 4 * rows * columns), columns);
        const spec = { label: 'test', rows, columns, depth, a: aRows, b: operand, c };
        const { bound, groups } = await dispatchProduct({ arena, target }, spec);
        gpu.run('test', (recorder) => recorder.run(bound, groups));
        const found = await gpu.readFloats(c.buffer, 'test', expected.length);
        near(found, expected, TOLERANCE, `${target}, layout ${i}`);
      }
    }
  }));

test('many products: the portable variant uses its larger tiles', () =>
  withGpu(async (gpu, arena) => {
    const [batches, rows, columns, depth] = [128, 3, 65, 18];
    const a = uniform(batches * rows * depth, 8, -1, 1);
    const b = uniform(depth * columns, 9, -1, 1);
    for (const target of targetsOf(gpu)) {
      const c = arena.buffer('c', 4 * batches * rows * columns);
      const { bound, groups } = await dispatchProduct(
        { arena, target },
        {
          label: 'test',
          rows,
          columns,
          depth,
          batches,
          a: { ...matrix(arena.upload('a', a, 'test'), depth), batchStride: rows * depth },
          b: matrix(arena.upload('b', b, 'test'), columns),
          c: { ...matrix(c, columns), batchStride: rows * columns },
        },
      );
      if (target === 'portable') assert.equal(groups, [2, 1, batches], 'tiles of 64');
      gpu.run('test', (recorder) => recorder.run(bound, groups));
      const found = await gpu.readFloats(c, 'test', batches * rows * columns);
      near(found, product(a, b, batches * rows, columns, depth), TOLERANCE, target);
    }
  }));

test('a product that exceeds the limit on workgroups is refused', () =>
  withGpu(async (_, arena) => {
    const m = matrix(arena.buffer('m', 16), 1);
    const spec = { label: 'test', rows: 1, columns: 1, depth: 1, batches: 70000, a: m, b: m, c: m };
    const error = await dispatchProduct({ arena, target: 'portable' }, spec).catch(
      (reason: unknown) => reason,
    );
    assert.match(String(error), /70000 workgroups exceeds WebGPU.s limit\. Use fewer crops \(crops\.count\)/);
  }));

test('linear: x·Wᵀ + b + residual, and the gradients of x and residual', () =>
  withGpu(async (_, arena) => {
    for (const [rows, inputs, outputs] of [
      [5, 7, 6],
      [9, 8, 36],
    ]) {
      const [weight, bias] = [uniform(inputs * outputs, 11, -1, 1), uniform(outputs, 12)];
      const weights = {
        weight: arena.upload('weight', weight, 'test'),
        bias: arena.upload('bias', bias, 'test'),
        inputs,
        outputs,
      };
      await checkOp(arena, {
        shapes: [
          [rows, inputs],
          [rows, outputs],
        ],
        build: (graph, [x, residual]) => linearOp(graph, 'linear', x, weights, residual),
        reference: ([x, residual]) => linear(x, weight, rows, inputs, outputs, bias, residual),
        tolerance: TOLERANCE,
      });
    }
  }));

test('the transposed copy of a matrix', () =>
  withGpu(async (gpu, arena) => {
    const [rows, columns] = [37, 70];
    const values = uniform(rows * columns, 13);
    const expected = Float32Array.from(values, (_, i) => values[(i % rows) * columns + Math.floor(i / rows)]);
    for (const target of targetsOf(gpu)) {
      const source = arena.upload('matrix', values, 'test');
      const copy = await transposedCopy({ arena, target }, 'test', source, rows, columns);
      assert.equal(await gpu.readFloats(copy, 'test', values.length), expected, target);
    }
  }));

test('linear refuses rows of another width', () =>
  withGpu(async (_, arena) => {
    const weights = { weight: arena.buffer('weight', 16), inputs: 2, outputs: 2 };
    const build = checkOp(arena, {
      shapes: [[2, 3]],
      build: (graph, [x]) => linearOp(graph, 'linear', x, weights),
      reference: ([x]) => x,
      tolerance: 0,
    });
    const error = await build.catch((reason: unknown) => reason);
    assert.match(String(error), /takes rows of 2, got 3/);
  }));

test.run();
