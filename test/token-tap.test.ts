/** Tokens in the middle of the image encoder and their gradient: in f16 against f32, whose gradient test/losses.test.ts checks by differences. */
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { buildEncoder } from '../stages/clip/encoder.ts';
import { readConfig } from '../stages/clip/families/index.ts';
import { packVision } from '../stages/clip/packed-vision.ts';
import type { Precision } from '../stages/clip/precision.ts';
import { tokenCount } from '../stages/clip/towers.ts';
import { loadVision } from '../stages/clip/vision.ts';
import { ModelWeights } from '../stages/clip/weights.ts';
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

async function encode(model: string, precision: Precision, gradients: { embeds: number; tokens: number }) {
  const result = {} as Result;
  await withGpu(async (_, arena) => {
    const { family, towers } = await readConfig(`${folder}${model}_config.json`);
    const path = `${folder}${model}_model.safetensors`;
    const weights = await ModelWeights.open({ path, parts: [path] }, family.place);
    const vision = () => loadVision(arena, towers, weights);
    const packedVision = () => packVision(arena, towers, weights);
    const parts = { precision, towers, vision, packedVision };
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

test.run();
