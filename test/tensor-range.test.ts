/** The image encoder in f16 where values or gradients would leave the range of f16, against the encoder in f32 with the same weights. */
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { buildCosineEncoder } from '../stages/clip/encoder.ts';
import { readConfig } from '../stages/clip/families/index.ts';
import { packVision } from '../stages/clip/packed-vision.ts';
import type { Precision } from '../stages/clip/precision.ts';
import { loadVision } from '../stages/clip/vision.ts';
import { ModelWeights, type TensorSource } from '../stages/clip/weights.ts';
import { toHalf } from '../wgsl/transformer/weights.ts';
import { openWithMatrices } from './helpers/emulated-matrices.ts';
import { withGpu } from './helpers/gpu.ts';
import { uniform } from './helpers/numbers.ts';
import { fromHalf } from './reference/tiles.ts';

const gpu = await openWithMatrices();
const folder = fileURLToPath(new URL('./data/reference/', import.meta.url));
const BATCH = 2;
/**
 * Relative in L2, of each image. Where the model is worse conditioned, twice the change that f16 weights alone make in f32: × 1000, GELU
 * is a step to operands in f16, and units on its edge get another slope.
 */
const LIMITS = { embeds: 2e-3, gradPixels: 2e-2 };

/** What a number of a tensor is multiplied by; `row` is its index along the first axis. */
type Factor = (name: string, row: number) => number;

interface Result {
  embeds: Float32Array;
  /** By cotangent. */
  gradPixels: Float32Array[];
}

/** Embeddings of random images, and the gradients of their cosines for each of `cotangents`, [BATCH] numbers each. */
function encode(
  model: string,
  factor: Factor,
  precision: Precision,
  cotangents: readonly (readonly number[])[],
  round = (value: number) => value,
): Promise<Result> {
  const result: Result = { embeds: new Float32Array(), gradPixels: [] };
  return withGpu(async (_, arena) => {
    const { family, towers } = await readConfig(`${folder}${model}_config.json`);
    const path = `${folder}${model}_model.safetensors`;
    const source = await ModelWeights.open({ path, parts: [path] }, family.place);
    const weights: TensorSource = {
      async floats(name, shape) {
        const values = await source.floats(name, shape);
        const row = values.length / shape[0];
        return values.map((value, i) => round(value * factor(name, Math.floor(i / row))));
      },
    };
    const targets = arena.upload('targets', uniform(BATCH * towers.dimensions, 1, -0.1, 0.1), 'test');
    const vision = () => loadVision(arena, towers, weights);
    const packedVision = () => packVision(arena, towers, weights);
    const encoder = await buildCosineEncoder(
      arena,
      { precision, towers, vision, packedVision },
      { batch: BATCH, targets, isShared: false, hasBackward: true },
    );
    const { gradCosines, gradPixels, record } = encoder.backward!;
    const pixels = BATCH * 3 * towers.vision.imageSize ** 2;
    gpu.write(encoder.pixels, uniform(pixels, 2, -2, 2), 'test');
    for (const cotangent of cotangents) {
      gpu.write(gradCosines, Float32Array.from(cotangent), 'test');
      gpu.run('test', (recorder) => {
        encoder.recordForward(recorder);
        record(recorder);
      });
      result.gradPixels.push(await gpu.readFloats(gradPixels, 'test', pixels));
    }
    result.embeds = await gpu.readFloats(encoder.embeds, 'test', BATCH * towers.dimensions);
  }, gpu).then(() => result);
}

/** A number with the eleven significant bits of f16, of any size. */
function rounded(value: number): number {
  const unit = 2 ** Math.floor(Math.log2(Math.abs(value) || 1));
  return unit * fromHalf(toHalf(value / unit));
}

/** Relative difference of each image's numbers in L2; fails if one is not finite. */
function differencesOf(found: Float32Array, expected: Float32Array, what: string): number[] {
  const length = expected.length / BATCH;
  return Array.from({ length: BATCH }, (_, image) => {
    const part = (all: Float32Array) => all.subarray(image * length, (image + 1) * length);
    const [own, other] = [part(found), part(expected)];
    assert.ok(own.every(Number.isFinite), `${what}, image ${image}: not finite`);
    const size = Math.hypot(...other);
    assert.ok(size > 0, `${what}, image ${image}: all zero`);
    return Math.hypot(...own.map((value, i) => value - other[i])) / size;
  });
}

async function check(
  model: string,
  factor: Factor,
  cotangents: readonly (readonly number[])[] = [[1, 1]],
): Promise<void> {
  const half = await encode(model, factor, 'f16', cotangents);
  const single = await encode(model, factor, 'f32', cotangents);
  const f16Weights = await encode(model, factor, 'f32', cotangents, rounded);
  const compare = (read: (result: Result) => Float32Array, limit: number, what: string) => {
    const errors = differencesOf(read(half), read(single), what);
    const changes = differencesOf(read(f16Weights), read(single), what);
    errors.forEach((error, image) => {
      const tolerance = Math.max(limit, 2 * changes[image]);
      assert.ok(error <= tolerance, `${what}, image ${image}: relative error ${error}, limit ${tolerance}`);
    });
  };
  compare(({ embeds }) => embeds, LIMITS.embeds, 'embeddings');
  cotangents.forEach((cotangent, i) => {
    compare(({ gradPixels }) => gradPixels[i], LIMITS.gradPixels, `gradient of the pixels for ${cotangent}`);
  });
}

const same: Factor = () => 1;
const isNorm2 = (name: string) => /encoder\.layers\.\d+\.layer_norm2\.weight$/.test(name);

for (const model of ['clip_tiny_random', 'siglip_tiny']) {
  test(`${model}: gradients of very different size, also of two images at once`, () =>
    check(model, same, [
      [1e-6, 1e-6],
      [1e6, 1e6],
      [1e6, 1e-6],
    ]));

  test(`${model}: layer norms before MLPs × 1000`, () => check(model, (name) => (isNorm2(name) ? 1000 : 1)));

  test(`${model}: every seventh channel of layer norms before MLPs × 1000`, () =>
    check(model, (name, row) => (isNorm2(name) && row % 7 === 3 ? 1000 : 1)));

  test(`${model}: layer norms before attention × 1000, with logits as they were`, () =>
    check(model, (name) => {
      if (/encoder\.layers\.\d+\.layer_norm1\.weight$/.test(name)) return 1000;
      return /encoder\.layers\.\d+\.self_attn\.[qk]_proj\.weight$/.test(name) ? 1e-3 : 1;
    }));
}

const POOLING: Record<string, number> = {
  'vision_model.post_layernorm.weight': 1e4,
  'vision_model.head.attention.k_proj.weight': 0.1,
  'vision_model.head.attention.q_proj.weight': 1e-3,
  'vision_model.head.attention.q_proj.bias': 1e-3,
};
test('siglip_tiny: layer norm before pooling × 10000, with logits as they were', () =>
  check('siglip_tiny', (name) => POOLING[name] ?? 1));

test('bytes repeat', async () => {
  const [first, second] = (
    await encode('clip_tiny_random', same, 'f16', [
      [1, 2],
      [1, 2],
    ])
  ).gradPixels;
  assert.ok(Buffer.from(first.buffer).equals(Buffer.from(second.buffer)));
  const again = await encode('clip_tiny_random', same, 'f16', [[1, 2]]);
  assert.equal(again.gradPixels[0], first);
  const { embeds } = await encode('clip_tiny_random', same, 'f16', [[5, 1]]);
  assert.equal(embeds, again.embeds);
});

test.run();
