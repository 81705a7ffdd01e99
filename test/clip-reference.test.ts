import { readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readSafetensors } from '../stages/clip/safetensors.ts';
import { poolIndex } from '../stages/clip/towers.ts';
import { withGpu } from './helpers/gpu.ts';
import { checkClip, clipLayout } from './reference/layouts/clip.ts';

const folder = fileURLToPath(new URL('./data/reference/', import.meta.url));
const names = (await readdir(folder)).filter((name) => /^(clip|siglip)_.*_io\.safetensors$/.test(name));
const EXPECTED = ['text_embeds', 'image_embeds', 'cosine', 'grad_pixel_values'];

test('the models cover both families, all activations, all pooling rules and all float types', () => {
  for (const name of ['clip_bfloat', 'clip_gelu', 'clip_tiny_random', 'siglip_tiny']) {
    assert.ok(names.includes(`${name}_io.safetensors`), `${name} is there`);
  }
});

for (const name of names) {
  test(`${name}: embeddings and gradient agree with transformers`, () =>
    withGpu(async (gpu) => {
      const { tensors } = await readSafetensors(folder + name);
      assert.ok(clipLayout.recognises([...tensors.keys()]));
      const rows = await checkClip(gpu, folder + name, tensors);
      assert.equal(
        rows.map(({ tensor }) => tensor),
        EXPECTED,
      );
      assert.equal(
        rows.filter(({ pass }) => !pass),
        [],
      );
    }));
}

for (const name of ['clip_gelu', 'siglip_tiny']) {
  test(`${name}: the portable kernels compute the same`, () =>
    withGpu(async (gpu) => {
      const path = `${folder}${name}_io.safetensors`;
      const { tensors } = await readSafetensors(path);
      const rows = await checkClip(gpu, path, tensors, { target: 'portable' });
      assert.is(rows.length, EXPECTED.length);
      assert.equal(
        rows.filter(({ pass }) => !pass),
        [],
      );
    }));
}

test('a wrong embedding and a wrong gradient are detected', () =>
  withGpu(async (gpu) => {
    const path = `${folder}clip_bfloat_io.safetensors`;
    const { tensors } = await readSafetensors(path);
    for (const name of ['image_embeds', 'grad_pixel_values']) tensors.get(name)!.data[0] += 0.5;
    const failed = (await checkClip(gpu, path, tensors)).filter(({ pass }) => !pass);
    assert.equal(
      failed.map(({ tensor }) => tensor),
      ['image_embeds', 'grad_pixel_values'],
    );
  }));

test('the index of the token that the text encoder returns', () => {
  assert.is(poolIndex([0, 5, 9, 9, 9], { kind: 'largest-id' }), 2, 'first of the largest');
  assert.is(poolIndex([0, 5, 2, 9, 1], { kind: 'largest-id' }), 3, 'not where id 2 is');
  assert.is(poolIndex([7, 5, 3, 9, 3], { kind: 'id', id: 3 }), 2, 'first end mark');
  assert.is(poolIndex([7, 5, 4, 9, 4], { kind: 'id', id: 3 }), 0, 'none: as transformers');
  assert.is(poolIndex([7, 1, 1, 1], { kind: 'last' }), 3, 'the last');
});

test.run();
