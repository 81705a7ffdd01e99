/** Products on tensor cores against double precision; the matrices are emulated on adapters without tensor cores. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Arena } from '../wgsl/core/index.ts';
import { MAX_MATRIX_SUBGROUPS } from '../wgsl/core/target.ts';
import type { Dispatch } from '../wgsl/nn/dispatch.ts';
import { ACTIVATIONS } from '../wgsl/nn/elementwise.ts';
import {
  dispatchLinear,
  dispatchLinearActivation,
  dispatchLinearActivationBackward,
  dispatchLinearHeads,
  LINEAR,
  type ProductShape,
  shapeOf,
} from '../wgsl/transformer/product.ts';
import { headMap, type PackedLinear, packLinear } from '../wgsl/transformer/weights.ts';
import { assertClose } from './helpers/close.ts';
import { openWithMatrices } from './helpers/emulated-matrices.ts';
import { withGpu } from './helpers/gpu.ts';
import { uniform } from './helpers/numbers.ts';
import { HALF, readHalves, tile, tiledSize } from './helpers/tiles.ts';
import { near } from './helpers/vjp.ts';
import { gelu, geluTanh, quickGelu } from './reference/activation.ts';
import { product } from './reference/product.ts';
import { untile } from './reference/tiles.ts';

const gpu = await openWithMatrices();
/** Products of f16 numbers are exact in f32; the sums of the tests have at most 128 terms below 2. */
const SUMS = 2e-5;

function run(...dispatches: Dispatch[]): void {
  gpu.run('test', (recorder) => {
    for (const { bound, groups } of dispatches) recorder.run(bound, groups);
  });
}

/** A random matrix in f16 tiles, and its values. */
function operand(arena: Arena, rows: number, columns: number, seed: number) {
  const halves = tile(uniform(rows * columns, seed, -1, 1), rows, columns);
  return { buffer: arena.upload('operand', halves, 'test'), values: untile(halves, rows, columns) };
}

/** The matrix [depth, columns] that a direction of a layer multiplies by; its transpose is stored. */
async function matrixOf(layer: PackedLinear, direction: 'forward' | 'backward'): Promise<Float64Array> {
  const { inputs, outputs, scale } = layer;
  const [depth, columns] = direction === 'forward' ? [inputs, outputs] : [outputs, inputs];
  const stored = untile(await readHalves(gpu, layer[direction]), columns, depth);
  return transposed(stored, columns, depth).map((value) => scale * value);
}

function transposed(values: Float64Array, rows: number, columns: number): Float64Array {
  return values.map((_, i) => values[(i % rows) * columns + Math.floor(i / rows)]);
}

const SIZES = [1, 2, 4, 13, 49, 129, 197, 411, 1028];
const SHAPES = new Map<string, ProductShape>();
for (const rows of SIZES) {
  for (const columns of [4, 48, 64, 144, 192, 256]) {
    for (const depth of [4, 5, 48, 64, 192, 256]) {
      const shape = shapeOf(rows, columns, depth);
      SHAPES.set(JSON.stringify(shape), shape);
    }
  }
}

test('products of some size get each of the measured shapes, which fit into a workgroup', () => {
  assert.is(SHAPES.size, 15);
  for (const { FM, FN, SM, SN, SK } of SHAPES.values()) {
    assert.ok([1, 2, 4].includes(FM) && [1, 2].includes(FN));
    assert.ok(SM * SN * SK <= MAX_MATRIX_SUBGROUPS);
  }
  const groups = ({ FM, SM, FN, SN }: ProductShape, rows: number, columns: number) =>
    Math.ceil(rows / (FM * SM)) * Math.ceil(columns / (FN * SN));
  // Few tiles are split along the depth, many are not.
  assert.ok(shapeOf(1, 48, 48).SK > 1);
  assert.is(shapeOf(1028, 256, 64).SK, 1);
  assert.ok(groups(shapeOf(1028, 256, 64), 1028, 256) < groups(shapeOf(1, 1, 1), 1028, 256));
  // An unrolled loop takes whole steps of the depth.
  assert.ok([...SHAPES.values()].some(({ UNROLL }) => UNROLL === 2));
  for (const rows of SIZES) {
    for (const depth of [4, 5, 6, 48]) {
      const { SK, UNROLL } = shapeOf(rows, 192, depth);
      assert.ok(UNROLL === 1 || depth % (UNROLL * SK) === 0);
    }
  }
});

test('every shape computes a product whose sizes divide no tile', () =>
  withGpu(async (_, arena) => {
    const [rows, columns] = [75, 40];
    const others: ProductShape[] = [
      { FM: 2, FN: 1, SM: 2, SN: 1, SK: 2, UNROLL: 2 },
      { FM: 1, FN: 1, SM: 1, SN: 1, SK: 1, UNROLL: 1 },
    ];
    const unused = arena.buffer('unused', 16);
    for (const shape of [...SHAPES.values(), ...others]) {
      const { FM, FN, SM, SN, SK, UNROLL } = shape;
      const depthTiles = UNROLL > 1 ? UNROLL * SK : 5;
      const depth = 16 * depthTiles;
      const a = operand(arena, rows, depth, 1);
      const b = operand(arena, columns, depth, 2);
      const right = transposed(b.values, columns, depth);
      const expected = product(a.values, right, rows, columns, depth);
      const constants = { HAS_BIAS: false, HAS_ROW_SCALES: false, HAS_RESIDUAL: false, ACCUMULATES: false };
      const kernel = await gpu.kernel(LINEAR, { constants: { ...shape, ...constants } });
      const uniforms = arena.uniform('product', kernel.struct('Product').size);
      const sizes = { rows, columns, depthTiles, columnTiles: 3, residualStride: 1, scale: 0.5 };
      gpu.write(uniforms, kernel.pack('Product', sizes), 'parameters');
      const y = arena.upload('y', new Float32Array(rows * columns + 4).fill(9), 'test');
      const inputs = { a: a.buffer, b: b.buffer, bias: unused, rowScales: unused, residual: unused };
      const bound = kernel.bind({ product: uniforms, ...inputs, y });
      run({ bound, groups: [Math.ceil(3 / (FN * SN)), Math.ceil(5 / (FM * SM)), 1] });
      const found = await gpu.readFloats(y, 'test');
      near(
        found,
        expected.map((value) => value / 2),
        SUMS,
        JSON.stringify(shape),
      );
      assert.equal([...found.slice(-4)], [9, 9, 9, 9], 'nothing beyond y');
    }
  }, gpu));

test('linear layers with bias, residual, row scales and sums to what was there', () =>
  withGpu(async (_, arena) => {
    const [rows, inputs, outputs] = [50, 40, 36];
    const weight = uniform(outputs * inputs, 1, -0.02, 0.02);
    const bias = uniform(outputs, 2, -1, 1);
    const layer = await packLinear(arena, 'layer', { weight, bias, outputs, inputs });
    const a = operand(arena, rows, layer.inputs, 3);
    const sums = product(a.values, await matrixOf(layer, 'forward'), rows, layer.outputs, layer.inputs);
    const stride = 3;
    const residual = uniform(rows * stride * outputs, 4, -1, 1);
    const before = uniform(rows * outputs, 5, -1, 1);
    const forward = { arena, layer, direction: 'forward' as const, rows, a: a.buffer, columns: outputs };
    for (const [name, use] of Object.entries({
      residual: { residual: arena.upload('residual', residual, 'test'), residualStride: stride },
      accumulates: { accumulates: true },
    })) {
      const y = arena.upload('y', before, 'test');
      run(await dispatchLinear({ ...forward, ...use, y, scale: 0.25 }));
      const expected = before.map((value, i) => {
        const [row, column] = [Math.floor(i / outputs), i % outputs];
        const added = name === 'residual' ? residual[row * stride * outputs + column] : value;
        return 0.25 * sums[row * layer.outputs + column] + bias[column] + added;
      });
      near(await gpu.readFloats(y, 'test', expected.length), expected, SUMS, name);
    }

    const gradient = operand(arena, rows, layer.outputs, 6);
    const scales = uniform(rows, 7, -20, 20).map((power) => 2 ** Math.round(power));
    const y = arena.upload('y', new Float32Array(rows * inputs), 'test');
    const rowScales = arena.upload('rowScales', scales, 'test');
    const backward = { arena, layer, direction: 'backward' as const, rows, a: gradient.buffer };
    run(await dispatchLinear({ ...backward, columns: inputs, y, scale: 8, rowScales }));
    const matrix = await matrixOf(layer, 'backward');
    const gradients = product(gradient.values, matrix, rows, layer.inputs, layer.outputs);
    const found = await gpu.readFloats(y, 'test', rows * inputs);
    near(
      found.map((value, i) => value / scales[Math.floor(i / inputs)]),
      Float64Array.from(found, (_, i) => 8 * gradients[Math.floor(i / inputs) * layer.inputs + (i % inputs)]),
      SUMS,
      'row scales',
    );
  }, gpu));

test('linear layers with an activation, and the gradient through it', () =>
  withGpu(async (_, arena) => {
    const [rows, inputs, outputs] = [21, 48, 80];
    const weight = uniform(outputs * inputs, 1, -0.7, 0.7);
    const bias = uniform(outputs, 2, -1, 1);
    const layer = await packLinear(arena, 'fc1', { weight, bias, outputs, inputs });
    const next = await packLinear(arena, 'fc2', {
      weight: uniform(inputs * outputs, 3, -0.2, 0.2),
      outputs: inputs,
      inputs: outputs,
    });
    const a = operand(arena, rows, inputs, 4);
    const gradient = operand(arena, rows, inputs, 5);
    const sums = product(a.values, await matrixOf(layer, 'forward'), rows, outputs, inputs);
    const gradHidden = product(gradient.values, await matrixOf(next, 'backward'), rows, outputs, inputs);
    const [scale, outputScale, gradScale] = [2, 0.25, 0.5];
    for (const activation of ACTIVATIONS) {
      const reference = { gelu, quick_gelu: quickGelu, gelu_tanh: geluTanh }[activation];
      const halves = () => arena.buffer('halves', 2 * tiledSize(rows, outputs));
      const [inputs16, hidden, gradInputs] = [halves(), halves(), halves()];
      const common = { arena, rows, activation };
      run(
        await dispatchLinearActivation({
          ...common,
          layer,
          a: a.buffer,
          scale,
          outputScale,
          inputs: inputs16,
          hidden,
        }),
        await dispatchLinearActivationBackward({
          ...common,
          layer: next,
          a: gradient.buffer,
          scale: gradScale,
          inputScale: outputScale,
          inputs: inputs16,
          gradInputs,
        }),
      );
      const read = async (buffer: GPUBuffer) => untile(await readHalves(gpu, buffer), rows, outputs);
      const tolerance = { relative: HALF, absolute: SUMS };
      const expected = sums.map((sum, i) => scale * sum + bias[i % outputs]);
      const stored = await read(inputs16);
      assertClose(
        stored,
        expected.map((value) => outputScale * value),
        tolerance,
        `${activation}: inputs`,
      );
      assertClose(
        await read(hidden),
        expected.map((value) => outputScale * reference(value)),
        tolerance,
        activation,
      );
      const step = 1e-5;
      const gradients = stored.map((value, i) => {
        const x = value / outputScale;
        return (gradScale * gradHidden[i] * (reference(x + step) - reference(x - step))) / (2 * step);
      });
      assertClose(await read(gradInputs), gradients, tolerance, `${activation}: gradient`);
    }
  }, gpu));

test('products by head: queries, keys and values', () =>
  withGpu(async (_, arena) => {
    const [images, tokens, headCount, headWidth, headTiles, inputs] = [2, 17, 2, 24, 2, 48];
    const [rows, width, padded] = [images * tokens, headCount * headWidth, 16 * headTiles];
    const a = operand(arena, rows, inputs, 1);
    const sectionSize = images * headCount * tiledSize(tokens, padded);
    const outputScale = 0.5;
    const common = { arena, rows, headCount, headTiles, tokens, outputScale };
    for (const parts of [3, 2]) {
      const outputs = parts * width;
      const layer = await packLinear(
        arena,
        'qkv',
        {
          weight: uniform(outputs * inputs, 2, -0.3, 0.3),
          bias: uniform(outputs, 3, -1, 1),
          outputs,
          inputs,
        },
        { outputMap: headMap(parts, headCount, headWidth, headTiles) },
      );
      const bias = await gpu.readFloats(layer.bias!, 'test', layer.outputs);
      const sums = product(a.values, await matrixOf(layer, 'forward'), rows, layer.outputs, inputs);
      const heads = arena.buffer('heads', 2 * 3 * sectionSize);
      const firstPart = 3 - parts;
      run(
        await dispatchLinearHeads({
          ...common,
          layer,
          direction: 'forward',
          a: a.buffer,
          heads,
          sectionSize,
          firstPart,
        }),
      );
      const halves = await readHalves(gpu, heads);
      if (firstPart) assert.ok(halves.subarray(0, sectionSize).every((bits) => bits === 0));
      for (let part = firstPart; part < 3; part++) {
        for (let pair = 0; pair < images * headCount; pair++) {
          const what = `part ${part}, image and head ${pair}`;
          const offset = part * sectionSize + pair * tiledSize(tokens, padded);
          const [image, head] = [Math.floor(pair / headCount), pair % headCount];
          const expected = Float64Array.from({ length: tokens * padded }, (_, i) => {
            const column = ((part - firstPart) * headCount + head) * padded + (i % padded);
            const row = image * tokens + Math.floor(i / padded);
            return outputScale * (sums[row * layer.outputs + column] + bias[column]);
          });
          const found = untile(halves, tokens, padded, offset);
          assertClose(found, expected, { relative: HALF, absolute: SUMS }, what);
          assert.ok(
            found.every((value, i) => i % padded < headWidth || value === 0),
            `${what}: padding`,
          );
        }
      }
    }

    // The gradient of the attended values: one part.
    const out = await packLinear(
      arena,
      'out',
      { weight: uniform(inputs * width, 4, -0.3, 0.3), outputs: inputs, inputs: width },
      { inputMap: headMap(1, headCount, headWidth, headTiles) },
    );
    const heads = arena.buffer('gradOutput', 2 * sectionSize);
    run(
      await dispatchLinearHeads({
        ...common,
        layer: out,
        direction: 'backward',
        a: a.buffer,
        heads,
        sectionSize: 0,
        firstPart: 0,
      }),
    );
    const sums = product(a.values, await matrixOf(out, 'backward'), rows, out.inputs, inputs);
    const halves = await readHalves(gpu, heads);
    for (let pair = 0; pair < images * headCount; pair++) {
      const expected = Float64Array.from({ length: tokens * padded }, (_, i) => {
        const row = Math.floor(pair / headCount) * tokens + Math.floor(i / padded);
        return outputScale * sums[row * out.inputs + (pair % headCount) * padded + (i % padded)];
      });
      const found = untile(halves, tokens, padded, pair * tiledSize(tokens, padded));
      assertClose(found, expected, { relative: HALF, absolute: SUMS }, `gradient, image and head ${pair}`);
    }
  }, gpu));

test.run();
