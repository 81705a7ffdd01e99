/** Attention on tensor cores against double precision; the matrices are emulated on adapters without tensor cores. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Arena } from '../wgsl/core/index.ts';
import {
  type AttentionUse,
  attentionPairBytes,
  dispatchAttention,
  dispatchAttentionBackward,
} from '../wgsl/transformer/attention.ts';
import { assertClose } from './helpers/close.ts';
import { openWithMatrices } from './helpers/emulated-matrices.ts';
import { withGpu } from './helpers/gpu.ts';
import { uniform } from './helpers/numbers.ts';
import { HALF, readHalves, tile, tiledSize } from './helpers/tiles.ts';
import { differences, near } from './helpers/vjp.ts';
import { attentionHead } from './reference/attention.ts';
import { untile } from './reference/tiles.ts';

const gpu = await openWithMatrices();
const [HEAD_SCALE, SHARED_SCALE, GRAD_OUTPUT_SCALE, GRAD_SCALE] = [0.5, 2, 0.25, 4];

interface Case {
  images: number;
  headCount: number;
  headWidth: number;
  tokens: number;
  queries: number;
  isShared?: boolean;
  /** Whose pairs fit into the scratch space; all unless given. */
  imagesAtOnce?: number;
}

/** Matrices [tokens, headWidth] of all images and heads in one f16 buffer, and the values that it has after rounding. */
class Sections {
  readonly halves: Uint16Array;
  readonly #size: number;
  readonly #tokens: number;
  readonly #width: number;
  readonly #padded: number;

  constructor(count: number, tokens: number, width: number) {
    this.#tokens = tokens;
    this.#width = width;
    this.#padded = 16 * Math.ceil(width / 16);
    this.#size = tiledSize(tokens, this.#padded);
    this.halves = new Uint16Array(count * this.#size);
  }

  /** Stores matrix `index`. Returns the stored values. */
  put(index: number, values: ArrayLike<number>): Float64Array {
    const [tokens, padded, width] = [this.#tokens, this.#padded, this.#width];
    const wide = Float64Array.from({ length: tokens * padded }, (_, i) =>
      i % padded < width ? values[Math.floor(i / padded) * width + (i % padded)] : 0,
    );
    this.halves.set(tile(wide, tokens, padded), index * this.#size);
    return this.get(index);
  }

  get(index: number): Float64Array {
    const padded = untile(this.halves, this.#tokens, this.#padded, index * this.#size);
    return padded.filter((_, i) => i % this.#padded < this.#width);
  }
}

/** Values as the buffers hold them. */
function scaled(values: Float32Array, scale = HEAD_SCALE): Float64Array {
  return Float64Array.from(values, (value) => scale * value);
}

async function check(arena: Arena, given: Case): Promise<void> {
  const { images, headCount, headWidth, tokens, queries, isShared = false, imagesAtOnce = images } = given;
  const what = JSON.stringify(given);
  const headTiles = Math.ceil(headWidth / 16);
  const padded = 16 * headTiles;
  const pairs = images * headCount;
  const random = (rows: number, seed: number, range: number) =>
    uniform(rows * headWidth, seed, -range, range);

  // Queries, keys, values.
  const heads = new Sections(3 * pairs, tokens, headWidth);
  const shared = new Sections(headCount, queries, headWidth);
  const gradients = new Sections(pairs, queries, headWidth);
  const rowScales = uniform(images * queries, 9, -12, 4).map((power) => 2 ** Math.round(power));
  const operands: Float64Array[][] = [];
  const gradOutputs: Float64Array[] = [];
  for (let pair = 0; pair < pairs; pair++) {
    const head = pair % headCount;
    const all = heads.put(pair, scaled(random(tokens, 4 * pair, 2)));
    const own = isShared ? shared.put(head, scaled(random(queries, 1e6 + head, 2), SHARED_SCALE)) : all;
    const k = heads.put(pairs + pair, scaled(random(tokens, 4 * pair + 1, 2)));
    const v = heads.put(2 * pairs + pair, scaled(random(tokens, 4 * pair + 2, 2)));
    const q = own.subarray(0, queries * headWidth);
    const queryScale = isShared ? SHARED_SCALE : HEAD_SCALE;
    operands.push([q, k, v].map((values, i) => values.map((value) => value / (i ? HEAD_SCALE : queryScale))));
    const stored = random(queries, 4 * pair + 3, 1).map((value) => GRAD_OUTPUT_SCALE * value);
    const first = Math.floor(pair / headCount) * queries;
    gradOutputs.push(
      gradients
        .put(pair, stored)
        .map((value, i) => (value / GRAD_OUTPUT_SCALE) * rowScales[first + Math.floor(i / headWidth)]),
    );
  }

  const parts = isShared ? 2 : 3;
  const gradWidth = parts * headCount * padded;
  const use: AttentionUse = {
    arena,
    images,
    headCount,
    headTiles,
    headWidth,
    tokens,
    queries,
    heads: arena.upload('heads', heads.halves, 'test'),
    sectionSize: pairs * tiledSize(tokens, padded),
    headScale: HEAD_SCALE,
    sharedQueries: isShared
      ? { buffer: arena.upload('queries', shared.halves, 'test'), scale: SHARED_SCALE }
      : undefined,
    output: arena.buffer('output', 2 * tiledSize(images * queries, headCount * padded)),
    logSums: arena.buffer('logSums', 4 * pairs * queries),
  };
  const gradHeads = arena.upload('gradHeads', new Float32Array(images * tokens * gradWidth).fill(9), 'test');
  const dispatches = [
    await dispatchAttention(use),
    ...(await dispatchAttentionBackward({
      ...use,
      gradOutput: arena.upload('gradOutput', gradients.halves, 'test'),
      gradOutputScale: GRAD_OUTPUT_SCALE,
      rowScales: arena.upload('rowScales', rowScales, 'test'),
      gradScale: GRAD_SCALE,
      pairs: arena.buffer('pairs', attentionPairBytes(imagesAtOnce, given)),
      gradHeads,
    })),
  ];
  gpu.run('test', (recorder) => {
    for (const { bound, groups } of dispatches) recorder.run(bound, groups);
  });
  const output = untile(await readHalves(gpu, use.output), images * queries, headCount * padded);
  const logSums = await gpu.readFloats(use.logSums, 'test', pairs * queries);
  const grads = await gpu.readFloats(gradHeads, 'test', images * tokens * gradWidth);

  for (let pair = 0; pair < pairs; pair++) {
    const [image, head] = [Math.floor(pair / headCount), pair % headCount];
    const name = `${what}, image ${image}, head ${head}`;
    const expected = attentionHead(operands[pair], headWidth, gradOutputs[pair]);
    /** Columns of this head in rows of a matrix; the padding is zero. */
    const columnsOf = (
      matrix: ArrayLike<number>,
      width: number,
      first: number,
      row: number,
      rows: number,
    ) => {
      const values: number[] = [];
      for (let r = row; r < row + rows; r++) {
        for (let c = 0; c < padded; c++) {
          const value = matrix[r * width + first + c];
          if (c < headWidth) values.push(value);
          else assert.ok(value === 0, `${name}: padding is ${value}`);
        }
      }
      return values;
    };
    const attended = columnsOf(output, headCount * padded, head * padded, image * queries, queries);
    // Weights and results are rounded to f16; the weights add up to 1, and values are below 2.
    near(
      attended.map((value) => value / HEAD_SCALE),
      expected.output,
      2 * HALF,
      `${name}: output`,
    );
    const ownSums = logSums.subarray(pair * queries, (pair + 1) * queries);
    near(ownSums, expected.logSums, 1e-5, `${name}: logSums`);

    const gradientOf = (part: number) =>
      columnsOf(grads, gradWidth, (part * headCount + head) * padded, image * tokens, tokens);
    const scaleOf = (i: number) => rowScales[image * queries + Math.floor(i / headWidth)];
    if (!isShared) {
      // In units of the rows' scales; a token that is no query has gradient 0.
      const gradQ = gradientOf(0);
      const units = Array.from(expected.gradQ, (value, i) => value / scaleOf(i));
      near(
        gradQ.slice(0, units.length).map((value, i) => value / scaleOf(i)),
        units,
        4 * HALF,
        `${name}: queries`,
      );
      assert.ok(
        gradQ.slice(units.length).every((value) => value === 0),
        `${name}: no queries`,
      );
    }
    // In units of the image's largest scale: sums over queries add rows of all scales.
    const largest = Math.max(...rowScales.subarray(image * queries, (image + 1) * queries));
    for (const [part, gradient] of [
      [parts - 2, expected.gradK],
      [parts - 1, expected.gradV],
    ] as const) {
      const bound = gradient.reduce((maximum, value) => Math.max(maximum, Math.abs(value)), largest / 16);
      assertClose(
        gradientOf(part),
        gradient,
        { relative: 4 * HALF, absolute: 4 * HALF * bound },
        `${name}: part ${part}`,
      );
    }
  }
}

test('the gradients of the reference are those that differences give', () => {
  const [width, queries, keys] = [3, 2, 4];
  const inputs = [queries, keys, keys].map((rows, i) => Float64Array.from(uniform(rows * width, i, -2, 2)));
  const seed = Float64Array.from(uniform(queries * width, 5, -1, 1));
  const { gradQ, gradK, gradV } = attentionHead(inputs, width, seed);
  [gradQ, gradK, gradV].forEach((gradient, i) => {
    const expected = differences((moved) => attentionHead(moved, width, seed).output, inputs, i, seed);
    near(gradient, expected, 1e-8, `input ${i}`);
  });
});

// Few widths: software Vulkan compiles each for seconds.
const cases: Case[] = [
  { images: 2, headCount: 2, headWidth: 80, tokens: 1, queries: 1 },
  { images: 1, headCount: 2, headWidth: 80, tokens: 70, queries: 70 },
  { images: 2, headCount: 1, headWidth: 72, tokens: 50, queries: 50 },
  { images: 3, headCount: 2, headWidth: 72, tokens: 50, queries: 20, imagesAtOnce: 2 },
  { images: 2, headCount: 2, headWidth: 72, tokens: 50, queries: 1, isShared: true },
  // More tiles of keys than the subgroups of a workgroup take in one round.
  { images: 1, headCount: 1, headWidth: 24, tokens: 300, queries: 300 },
];
for (const one of cases) {
  const { images, headCount, headWidth, tokens, queries, isShared } = one;
  const kind = isShared ? 'shared queries' : 'queries';
  test(`${images} images, ${headCount} heads of ${headWidth}, ${queries} ${kind} and ${tokens} keys`, () =>
    withGpu((_, arena) => check(arena, one), gpu));
}

test.run();
