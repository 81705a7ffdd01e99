/** The kernels of the image encoder in f16 that pack weights, make tokens and work on rows, against double precision. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Arena, type Constants, GpuError } from '../wgsl/core/index.ts';
import { type Dispatch, dispatchElements } from '../wgsl/nn/dispatch.ts';
import { PATCH_TILES, PATCH_TILES_BACKWARD } from '../wgsl/transformer/embedding.ts';
import {
  dispatchRowGroups,
  dispatchRows,
  EMBED_TOKENS,
  EMBED_TOKENS_BACKWARD,
  INCOMING,
  NORMALISE,
  NORMALISE_BACKWARD,
  SCALE_ROWS,
} from '../wgsl/transformer/rows.ts';
import {
  headMap,
  type LinearValues,
  type NormValues,
  packLinear,
  toHalf,
} from '../wgsl/transformer/weights.ts';
import { assertClose } from './helpers/close.ts';
import { openWithMatrices } from './helpers/emulated-matrices.ts';
import { withGpu } from './helpers/gpu.ts';
import { uniform } from './helpers/numbers.ts';
import { HALF, readHalves, tiledSize } from './helpers/tiles.ts';
import { differences, near } from './helpers/vjp.ts';
import { layerNorm } from './reference/layer-norm.ts';
import { fromHalf, rowScale, untile } from './reference/tiles.ts';
import { imageTokens, patchify } from './reference/tokens.ts';

const gpu = await openWithMatrices();
const EPSILON = 1e-5;

function run(dispatch: Dispatch): void {
  gpu.run('test', (recorder) => recorder.run(dispatch.bound, dispatch.groups));
}

/** Layer normalisation with weight 1 and bias 0. */
function plainNorm(x: Float64Array, width: number): Float64Array {
  return layerNorm(x, new Float32Array(width).fill(1), new Float32Array(width), EPSILON);
}

test('toHalf returns the bits of every number of f16', () => {
  for (let bits = 0; bits < 65536; bits++) {
    const value = fromHalf(bits);
    assert.is(toHalf(value), Number.isNaN(value) ? 0x7e00 : bits);
  }
});

test('toHalf rounds to the nearest, ties to even, beyond the range to infinity', () => {
  for (let bits = 0; bits < 0x7bff; bits++) {
    const [below, above] = [fromHalf(bits), fromHalf(bits + 1)];
    const middle = (below + above) / 2;
    assert.is(toHalf(middle), bits % 2 ? bits + 1 : bits);
    assert.is(toHalf(-middle * (1 + 1e-12)), 0x8000 + bits + 1);
    assert.is(toHalf(middle * (1 - 1e-12)), bits);
  }
  assert.is(toHalf(65519.9), 0x7bff);
  assert.is(toHalf(65520), 0x7c00);
  assert.is(toHalf(-1e9), 0xfc00);
});

/** Packs a layer and compares all of it with W·diag(norm.weight) and bias + W·norm.bias. */
async function checkPacked(
  arena: Arena,
  layer: LinearValues,
  norm: NormValues | undefined,
  outputMap: Uint32Array | undefined,
  inputMap: Uint32Array | undefined,
): Promise<void> {
  const { outputs, inputs, weight } = layer;
  const packed = await packLinear(arena, 'layer', layer, { norm, outputMap, inputMap });
  const identity = (count: number) =>
    Uint32Array.from({ length: 16 * Math.ceil(count / 16) }, (_, i) => (i < count ? i : 0xffffffff));
  const rows = outputMap ?? identity(outputs);
  const columns = inputMap ?? identity(inputs);
  assert.is(packed.outputs, rows.length);
  assert.is(packed.inputs, columns.length);
  const at = (o: number, i: number) => weight[o * inputs + i] * (norm?.weight[i] ?? 1);
  const expected: number[] = [];
  for (const o of rows) for (const i of columns) expected.push(o < outputs && i < inputs ? at(o, i) : 0);
  const times = (value: number) => value * packed.scale;
  const forward = untile(await readHalves(gpu, packed.forward), rows.length, columns.length);
  // f16 below 2⁻¹⁴ has steps of 2⁻²⁴.
  const tolerance = { relative: HALF, absolute: packed.scale * 2 ** -24 };
  assertClose(forward.map(times), expected, tolerance, 'forward');
  const backward = untile(await readHalves(gpu, packed.backward), columns.length, rows.length);
  const turned = backward.map(
    (_, i) => backward[(i % columns.length) * rows.length + Math.floor(i / columns.length)],
  );
  assert.equal(turned, forward, 'backward is the transpose of forward');
  const largest = forward.reduce((maximum, value) => Math.max(maximum, Math.abs(value)), 0);
  assert.ok(largest === 0 || (largest >= 1 && largest <= 2), `the largest packed weight is ${largest}`);
  assert.is(Math.log2(packed.scale) % 1, 0);

  const norms = (count: number, length: number, value: (a: number, b: number) => number) =>
    Math.max(
      ...Array.from({ length: count }, (_, a) =>
        Math.hypot(...Array.from({ length }, (_, b) => value(a, b))),
      ),
    );
  const bias = Array.from({ length: outputs }, (_, o) => {
    let sum = layer.bias?.[o] ?? 0;
    for (let i = 0; i < inputs; i++) sum += weight[o * inputs + i] * (norm?.bias[i] ?? 0);
    return sum;
  });
  const bounds = [packed.rowNorm, packed.columnNorm, packed.biasLimit];
  const expectedBounds = [
    norms(outputs, inputs, at),
    norms(inputs, outputs, (i, o) => at(o, i)),
    Math.max(...bias.map(Math.abs)),
  ];
  assertClose(bounds, expectedBounds, { relative: 1e-6, absolute: 1e-12 }, 'bounds');
  assert.is(!!packed.bias, !!layer.bias || !!norm);
  if (!packed.bias) return;
  const padded = Array.from(rows, (o) => (o < outputs ? bias[o] : 0));
  assertClose(
    await gpu.readFloats(packed.bias, 'test', rows.length),
    padded,
    { relative: 1e-6, absolute: 1e-6 },
    'bias',
  );
}

test('packed layers hold both layouts, padded, with the layer norm before them', () =>
  withGpu(async (_, arena) => {
    const [outputs, inputs] = [48, 20];
    const weight = uniform(outputs * inputs, 1, -0.3, 0.3);
    const bias = uniform(outputs, 2, -1, 1);
    const norm = { weight: uniform(inputs, 3, -700, 900), bias: uniform(inputs, 4, -1, 1) };
    const heads = headMap(2, 2, 12, 1);
    const inputHeads = headMap(1, 2, 10, 2);
    assert.is(heads.length, 64);
    await checkPacked(arena, { weight, bias, outputs, inputs }, norm, heads, undefined);
    await checkPacked(arena, { weight, outputs, inputs }, norm, undefined, inputHeads);
    await checkPacked(arena, { weight, bias, outputs, inputs }, undefined, undefined, undefined);
    await checkPacked(arena, { weight, outputs, inputs }, undefined, heads, inputHeads);
    const tiny = { weight: weight.map((value) => 1e-12 * value), outputs, inputs };
    await checkPacked(arena, tiny, undefined, undefined, undefined);
    await checkPacked(
      arena,
      { weight: new Float32Array(960), outputs, inputs },
      undefined,
      undefined,
      undefined,
    );
  }, gpu));

test('patches in tiles, and pixels back from them', () =>
  withGpu(async (_, arena) => {
    const [batch, channels, side, patchSide, grid] = [2, 3, 11, 3, 3];
    const [rows, inputs, width] = [batch * grid ** 2, channels * patchSide ** 2, 32];
    const shape = { channels, side, patchSide, grid };
    const context = { arena, target: gpu.target };
    const pixels = uniform(batch * channels * side ** 2, 1, -2.5, 2.5);
    const patches = arena.buffer('patches', 2 * tiledSize(rows, width));
    run(
      await dispatchElements(context, PATCH_TILES, {
        sizes: { count: rows * inputs, ...shape, tiles: width / 16 },
        bindings: { pixels: arena.upload('pixels', pixels, 'test'), patches },
      }),
    );
    const columns = Array.from({ length: rows * width }, (_, i) => i % width);
    const found = untile(await readHalves(gpu, patches), rows, width);
    const expected = patchify(pixels, batch, channels, side, patchSide);
    assertClose(
      found.filter((_, i) => columns[i] < inputs),
      expected,
      { relative: HALF, absolute: 2 ** -24 },
    );
    assert.ok(found.every((value, i) => columns[i] < inputs || value === 0));

    // The last columns of a gradient belong to no pixel.
    const gradPatches = uniform(rows * width, 2, -1, 1);
    const gradPixels = arena.upload('gradPixels', new Float32Array(pixels.length).fill(9), 'test');
    run(
      await dispatchElements(context, PATCH_TILES_BACKWARD, {
        sizes: { count: pixels.length, ...shape, width },
        bindings: { gradPatches: arena.upload('gradPatches', gradPatches, 'test'), gradPixels },
      }),
    );
    const expectedPixels = new Float32Array(pixels.length);
    const sources = patchify(
      pixels.map((_, i) => i),
      batch,
      channels,
      side,
      patchSide,
    );
    const own = gradPatches.filter((_, i) => columns[i] < inputs);
    sources.forEach((pixel, i) => {
      expectedPixels[pixel] = own[i];
    });
    assert.equal(await gpu.readFloats(gradPixels, 'test', pixels.length), expectedPixels);
  }, gpu));

/** Runs a kernel that stores scaled rows, and returns these, multiplied by their scales again. */
async function scaledRows(
  arena: Arena,
  definition: Parameters<typeof dispatchRowGroups>[1],
  rows: number,
  sizes: Record<string, number> & { width: number },
  bindings: Record<string, GPUBuffer>,
  constants: Constants = {},
): Promise<{ values: Float64Array; scales: Float32Array }> {
  const { width } = sizes;
  const scaled = arena.buffer('scaled', 2 * tiledSize(rows, width));
  const rowScales = arena.upload('rowScales', new Float32Array(rows).fill(9), 'test');
  const dispatch = definition === NORMALISE_BACKWARD ? dispatchRows : dispatchRowGroups;
  run(await dispatch(arena, definition, rows, sizes, { ...bindings, scaled, rowScales }, constants));
  const scales = await gpu.readFloats(rowScales, 'test', rows);
  const halves = untile(await readHalves(gpu, scaled), rows, width);
  for (let row = 0; row < rows; row++) {
    const largest = halves
      .subarray(row * width, (row + 1) * width)
      .reduce((maximum, value) => Math.max(maximum, Math.abs(value)), 0);
    assert.ok(
      scales[row] === 0
        ? largest === 0
        : largest <= (scales[row] === 2 ** 126 ? 4 : 1) && (largest >= 0.5 || scales[row] === 2 ** -100),
      `row ${row}: largest ${largest}, scale ${scales[row]}`,
    );
  }
  return { values: halves.map((value, i) => value * scales[Math.floor(i / width)]), scales };
}

/** Rows agree within `relative` of their scales. */
function assertRows(
  { values, scales }: { values: Float64Array; scales: Float32Array },
  expected: ArrayLike<number>,
  relative: number,
  what: string,
): void {
  const width = values.length / scales.length;
  const unit = (all: ArrayLike<number>) =>
    Float64Array.from(all, (value, i) => value / (scales[Math.floor(i / width)] || 1));
  assertClose(unit(values), unit(expected), { absolute: relative }, what);
}

test('rows of gradients are divided by powers of two: zeros, tiny, huge and mixed ones', () =>
  withGpu(async (_, arena) => {
    const factors = [1, 0, 1e-30, 1e30, 1e-6, 8e37, 1e-36, 0.5, 3.3e38];
    for (const [rows, width] of [
      [8, 20],
      [19, 300],
      [1030, 8],
    ]) {
      const gradient = uniform(rows * width, rows, -1, 1).map(
        (value, i) => value * factors[Math.floor(i / width) % factors.length],
      );
      const bindings = { gradient: arena.upload('gradient', gradient, 'test') };
      const found = await scaledRows(arena, SCALE_ROWS, rows, { width }, bindings);
      const expected = Float32Array.from({ length: rows }, (_, row) =>
        rowScale(gradient.subarray(row * width, (row + 1) * width)),
      );
      assert.equal(found.scales, expected, `scales of ${rows} × ${width}`);
      assertRows(found, gradient, HALF, `${rows} × ${width}`);
    }
  }, gpu));

test('more rows than WebGPU starts workgroups are refused', () =>
  withGpu(async (_, arena) => {
    const error = await dispatchRowGroups(arena, SCALE_ROWS, 65536, { width: 16 }, {}).catch(
      (error: unknown) => error,
    );
    assert.instance(error, GpuError);
    assert.match(
      String(error),
      /65536 rows of tokens exceed .+ 65535 workgroups\. Use fewer crops \(crops\.count\)/,
    );
  }, gpu));

test('normalised rows, and the gradient of the stream with what it was before', () =>
  withGpu(async (_, arena) => {
    for (const [rows, width, tokens] of [
      [6, 20, 3],
      [3, 300, 3],
    ]) {
      const what = `${rows} × ${width}`;
      const x = uniform(rows * width, 1, -3, 5);
      const normalised = arena.buffer('normalised', 2 * tiledSize(rows, width));
      const reciprocalDeviations = arena.buffer('deviations', 4 * rows);
      const stream = { x: arena.upload('x', x, 'test') };
      const sizes = { width, epsilon: EPSILON };
      const outputs = { normalised, reciprocalDeviations };
      run(await dispatchRows(arena, NORMALISE, rows, sizes, { ...stream, ...outputs }));
      const doubles = Float64Array.from(x);
      const found = untile(await readHalves(gpu, normalised), rows, width);
      assertClose(found, plainNorm(doubles, width), { relative: HALF, absolute: 1e-5 }, what);

      const gradNormalised = uniform(rows * width, 2, -1, 1);
      const before = uniform(rows * width, 3, -1, 1);
      const expected = differences(([input]) => plainNorm(input, width), [doubles], 0, gradNormalised);
      for (const incoming of Object.values(INCOMING)) {
        const gradient = arena.upload('gradient', before, 'test');
        const scaled = await scaledRows(
          arena,
          NORMALISE_BACKWARD,
          rows,
          { width, tokens },
          {
            gradNormalised: arena.upload('gradNormalised', gradNormalised, 'test'),
            normalised,
            reciprocalDeviations,
            pooled: arena.upload('pooled', before, 'test'),
            gradient,
          },
          { INCOMING: incoming },
        );
        const added = (i: number) => {
          const [row, column] = [Math.floor(i / width), i % width];
          if (incoming === INCOMING.sameRows) return before[i];
          const isPooled = incoming === INCOMING.pooled && row % tokens === 0;
          return isPooled ? before[(row / tokens) * width + column] : 0;
        };
        const sums = await gpu.readFloats(gradient, 'test', rows * width);
        // The normalised rows are those in f16.
        near(
          sums,
          expected.map((value, i) => value + added(i)),
          0.5 * HALF,
          `${what}, incoming ${incoming}`,
        );
        assertRows(scaled, sums, HALF, `${what}, incoming ${incoming}, scaled`);
      }
    }
  }, gpu));

test('tokens of images with and without class token and layer norm, and the gradient of the patches', () =>
  withGpu(async (_, arena) => {
    for (const [classTokens, width, hasNorm] of [
      [1, 20, true],
      [0, 20, true],
      [1, 20, false],
      [1, 300, true],
    ] as const) {
      const what = `${classTokens} class tokens, width ${width}, norm ${hasNorm}`;
      const [batch, patches] = [2, 4];
      const tokens = patches + classTokens;
      const values = uniform(batch * patches * width, 1, -2, 2);
      const embeddings = uniform(tokens * width, 2, -1, 1);
      const [weight, bias] = [uniform(width, 3, -1, 2), uniform(width, 4, -1, 1)];
      const reference = ([input]: readonly Float64Array[]) => {
        const none = classTokens ? new Float32Array(width) : undefined;
        const stream = imageTokens(input, batch, width, none, embeddings);
        return hasNorm ? layerNorm(stream, weight, bias, EPSILON) : stream;
      };
      const stream = arena.buffer('stream', 4 * batch * tokens * width);
      const shared = {
        patches: arena.upload('patches', values, 'test'),
        embeddings: arena.upload('embeddings', embeddings, 'test'),
        weight: arena.upload('weight', weight, 'test'),
      };
      const sizes = { width, patches, classTokens, epsilon: EPSILON };
      const constants = { HAS_NORM: hasNorm };
      const forward = { ...shared, bias: arena.upload('bias', bias, 'test'), stream };
      run(await dispatchRowGroups(arena, EMBED_TOKENS, batch * tokens, sizes, forward, constants));
      const doubles = Float64Array.from(values);
      const found = await gpu.readFloats(stream, 'test', batch * tokens * width);
      near(found, reference([doubles]), 1e-5, what);

      // Rows of very different size.
      const gradient = uniform(found.length, 5, -1, 1).map(
        (value, i) => value * 10 ** ((Math.floor(i / width) % 5) * 4 - 8),
      );
      const scaled = await scaledRows(
        arena,
        EMBED_TOKENS_BACKWARD,
        batch * patches,
        sizes,
        { ...shared, gradient: arena.upload('gradient', gradient, 'test') },
        constants,
      );
      // The reference by rows: a patch changes its own token only.
      const unit = gradient.map((value, i) => value / 10 ** ((Math.floor(i / width) % 5) * 4 - 8));
      const differencesOfUnits = differences(reference, [doubles], 0, unit);
      const expected = differencesOfUnits.map((value, i) => {
        const patch = Math.floor(i / width);
        const token = Math.floor(patch / patches) * tokens + (patch % patches) + classTokens;
        return value * 10 ** ((token % 5) * 4 - 8);
      });
      assertRows(scaled, expected, HALF, `${what}: gradient`);
    }
  }, gpu));

test.run();
