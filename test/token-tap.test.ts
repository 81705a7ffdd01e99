/** Tokens in the middle of the image encoder and their gradient: in f16 against f32, whose gradient test/losses.test.ts checks by differences. */
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { buildEncoder, type EncoderModel } from '../stages/clip/encoder.ts';
import { readConfig } from '../stages/clip/families/index.ts';
import { packVision } from '../stages/clip/packed-vision.ts';
import type { Precision } from '../stages/clip/precision.ts';
import { tokenCount } from '../stages/clip/towers.ts';
import { loadVision } from '../stages/clip/vision.ts';
import { ModelWeights } from '../stages/clip/weights.ts';
import type { Arena } from '../wgsl/core/index.ts';
import { openWithMatrices } from './helpers/emulated-matrices.ts';
import { withGpu } from './helpers/gpu.ts';
import { uniform } from './helpers/numbers.ts';

const gpu = await openWithMatrices();
const folder = fileURLToPath(new URL('./data/reference/', import.meta.url));
const BATCH = 3;
const tap = { layer: 1, first: 1, count: 1 };

interface Result {
  embeds: Float32Array;
  tokens: Float32Array;
  gradPixels: Float32Array;
}

async function modelOf(arena: Arena, name: string, precision: Precision): Promise<EncoderModel> {
  const { family, towers } = await readConfig(`${folder}${name}_config.json`);
  const path = `${folder}${name}_model.safetensors`;
  const weights = await ModelWeights.open({ path, parts: [path] }, family.place);
  const vision = () => loadVision(arena, towers, weights);
  const packedVision = () => packVision(arena, towers, weights);
  return { precision, towers, vision, packedVision };
}

async function encode(model: string, precision: Precision, gradients: { embeds: number; tokens: number }) {
  const result = {} as Result;
  await withGpu(async (_, arena) => {
    const parts = await modelOf(arena, model, precision);
    const { towers } = parts;
    const encoder = await buildEncoder(arena, parts, { batch: BATCH, hasBackward: true, tap });
    const { gradEmbeds, gradTokens, gradPixels, record } = encoder.backward!;
    const pixels = BATCH * 3 * towers.vision.imageSize ** 2;
    const embeds = BATCH * towers.dimensions;
    const tokens = tokenCount(towers.vision) * towers.vision.width;
    gpu.write(encoder.pixels, uniform(pixels, 2, -2, 2), 'test');
    const scaled = (count: number, seed: number, scale: number) =>
      uniform(count, seed, -1, 1).map((value) => scale * value);
    gpu.write(gradEmbeds, scaled(embeds, 3, gradients.embeds), 'test');
    gpu.write(gradTokens!, scaled(tokens, 4, gradients.tokens), 'test');
    gpu.run('test', (recorder) => {
      encoder.recordForward(recorder);
      record(recorder);
    });
    result.embeds = await gpu.readFloats(encoder.embeds, 'test', embeds);
    result.tokens = await gpu.readFloats(encoder.tokens!, 'test', tokens);
    result.gradPixels = await gpu.readFloats(gradPixels, 'test', pixels);
  }, gpu);
  return result;
}

function relative(found: Float32Array, expected: Float32Array): number {
  return Math.hypot(...found.map((value, i) => value - expected[i])) / Math.hypot(...expected);
}

for (const model of ['clip_tiny_random', 'siglip_tiny']) {
  test(`${model}: tokens and their gradient in f16 are those in f32`, async () => {
    for (const gradients of [
      { embeds: 1, tokens: 0 },
      { embeds: 0, tokens: 1 },
      { embeds: 1, tokens: 0.1 },
    ]) {
      const [half, single] = [await encode(model, 'f16', gradients), await encode(model, 'f32', gradients)];
      assert.ok(
        relative(half.tokens, single.tokens) < 2e-3,
        `tokens ${relative(half.tokens, single.tokens)}`,
      );
      assert.ok(relative(half.embeds, single.embeds) < 2e-3);
      const error = relative(half.gradPixels, single.gradPixels);
      assert.ok(error < 1e-2, `gradient ${error} with ${JSON.stringify(gradients)}`);
      if (gradients.embeds) continue;
      const image = single.gradPixels.length / BATCH;
      const parts = [0, 1, 2].map((i) => Math.hypot(...half.gradPixels.subarray(i * image, (i + 1) * image)));
      assert.equal([parts[0], parts[2]], [0, 0], 'only the image of the tap has a gradient');
      assert.ok(parts[1] > 0);
    }
  });
}

/** Embeddings of random pictures by an encoder in f16, and the tokens of the tap. */
async function encodeForward(arena: Arena, model: EncoderModel, hasBackward: boolean) {
  const { vision, dimensions } = model.towers;
  const encoder = await buildEncoder(arena, model, { batch: BATCH, hasBackward, tap });
  gpu.write(encoder.pixels, uniform(BATCH * 3 * vision.imageSize ** 2, 2, -2, 2), 'test');
  gpu.run('test', (recorder) => encoder.recordForward(recorder));
  return [
    await gpu.readFloats(encoder.embeds, 'test', BATCH * dimensions),
    await gpu.readFloats(encoder.tokens!, 'test', tokenCount(vision) * vision.width),
  ];
}

for (const name of ['clip_tiny_random', 'siglip_tiny']) {
  test(`${name}: layers that share their buffers, without a backward pass, give the same bytes`, () =>
    withGpu(async (_, arena) => {
      const model = await modelOf(arena, name, 'f16');
      assert.equal(await encodeForward(arena, model, false), await encodeForward(arena, model, true));
    }, gpu));
}

test.run();
