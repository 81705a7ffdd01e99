/** The image encoder on tensor cores against transformers; the products are emulated on adapters without tensor cores. */
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readSafetensors } from '../stages/clip/safetensors.ts';
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

test.run();
