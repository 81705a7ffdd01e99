/** The image encoder on tensor cores against transformers; the products are emulated on adapters without tensor cores. */
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { buildEncoder } from '../stages/clip/encoder.ts';
import { readSafetensors } from '../stages/clip/safetensors.ts';
import type { Towers, VisionTower } from '../stages/clip/towers.ts';
import { GpuError } from '../wgsl/core/index.ts';
import { openWithMatrices } from './helpers/emulated-matrices.ts';
import { withGpu } from './helpers/gpu.ts';
import { checkClip } from './reference/layouts/clip.ts';

const folder = fileURLToPath(new URL('./data/reference/', import.meta.url));
const names = ['clip_tiny_random_io.safetensors', 'demo_clip_io.safetensors', 'siglip_tiny_io.safetensors'];
const gpu = await openWithMatrices();

for (const name of names) {
  test(`${name}: embeddings and gradient agree with transformers in f16`, () =>
    withGpu(async () => {
      const { tensors } = await readSafetensors(folder + name);
      const rows = await checkClip(gpu, folder + name, tensors, { precision: 'f16' });
      assert.equal(
        rows.filter(({ pass }) => !pass),
        [],
      );
    }, gpu));
}

test('more crops than f16 takes are refused before any work, with the option to change', () =>
  withGpu(async (_, arena) => {
    const tower = {
      width: 1024,
      heads: 16,
      layers: 24,
      inner: 4096,
      activation: 'gelu',
      epsilon: 1e-5,
    } as const;
    const vision: VisionTower = {
      ...tower,
      imageSize: 224,
      patch: 14,
      hasPatchBias: false,
      hasClassToken: true,
      hasPreNorm: true,
      pooling: 'class',
      hasProjection: true,
    };
    const work = () => Promise.reject(new Error('the weights are read'));
    const build = (batch: number) =>
      buildEncoder(
        arena,
        { precision: 'f16', towers: { vision, dimensions: 768 } as Towers, vision: work, packedVision: work },
        { batch, hasBackward: true },
      ).catch((error: Error) => error);
    const error = (await build(256)) as Error;
    assert.instance(error, GpuError);
    assert.match(
      error.message,
      /256 crops of 257 tokens .*at most 255 a step \(crops\.count, losses\.patch\.count\), or precision: f32/,
    );
    assert.match(((await build(255)) as Error).message, 'the weights are read');
  }, gpu));

test.run();
