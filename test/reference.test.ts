import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { withGpu } from './helpers/gpu.ts';
import { put, scratchFolder } from './helpers/scratch.ts';
import { $ } from './helpers/shell.ts';
import { throwsInput } from './helpers/throws.ts';
import { carriedFiles, checkFile } from './reference/check.ts';

const folder = scratchFolder();
const carried = (name: string) => new URL(`data/reference/${name}.safetensors`, import.meta.url);
const ssim = readFileSync(carried('ssim'));

/** A copy of ssim.safetensors with its header's text changed, length kept, or a word of its data. */
function changed(
  name: string,
  { header, word }: { header?: [string, string]; word?: [number, number] },
): string {
  const bytes = Buffer.from(ssim);
  if (header) {
    const at = bytes.indexOf(header[0]);
    assert.ok(at > 0 && header[0].length === header[1].length);
    bytes.write(header[1], at);
  }
  if (word) bytes.writeFloatLE(word[1], bytes.length - 4 * word[0]);
  return put(folder, `${name}.safetensors`, bytes);
}

for (const path of await carriedFiles()) {
  test(`kernels agree with ${path.slice(path.lastIndexOf('/') + 1)}`, () =>
    withGpu(async (gpu) => {
      const rows = await checkFile(gpu, path);
      assert.ok(rows.length > 0);
      assert.equal(
        rows.filter(({ pass }) => !pass),
        [],
      );
    }));
}

test('a wrong number fails its rows', () =>
  withGpu(async (gpu) => {
    const rows = await checkFile(gpu, changed('wrong', { word: [2000, 5] }));
    assert.equal(
      rows.map(({ tensor, pass }) => [tensor, pass]),
      [
        ['ssim_same', false],
        ['grad_same', false],
        ['ssim_valid', false],
        ['grad_valid', false],
      ],
    );
  }));

test('the error of an invalid file states its name and position', () =>
  withGpu(async (gpu) => {
    const other = changed('other', { header: ['"ssim_same"', '"ssim_none"'] });
    await throwsInput(() => checkFile(gpu, other), 'other.safetensors: is of no layout', 'ssim_none');
    const missing = changed('missing', { header: ['"grad_same"', '"grad_none"'] });
    await throwsInput(() => checkFile(gpu, missing), 'missing.safetensors: tensor "grad_same" is missing');
    const shape = changed('shape', {
      header: ['"x":{"dtype":"F32","shape":[1,3,61,83]', '"x":{"dtype":"F32","shape":[1,3,83,61]'],
    });
    await throwsInput(
      () => checkFile(gpu, shape),
      'tensor "y" is F32 [1,3,61,83]; floats [1,3,H,W] are expected',
      'H = 83',
    );
  }));

test('the command’s exit code is that of its result', async () => {
  const run = $({ cwd: fileURLToPath(new URL('../', import.meta.url)), nothrow: true });
  const check = (...files: string[]) =>
    run`${process.execPath} --import tsx test/reference/check.ts ${files}`;
  const good = await check(fileURLToPath(carried('ssim')));
  assert.is(good.exitCode, 0);
  assert.match(good.stdout, /^ok {4}ssim\.safetensors {2}ssim_same: \S+ at most {2}\(limit 1e-5\)$/m);
  const wrong = await check(changed('wrong', { word: [2000, 5] }));
  assert.is(wrong.exitCode, 1);
  assert.match(wrong.stdout, /^FAIL {2}wrong/m);
  const none = await check(`${folder}/none.safetensors`, fileURLToPath(carried('ssim')));
  assert.is(none.exitCode, 2);
  assert.match(none.stdout, /^ok/m, 'the following files are still judged');
});

test.run();
