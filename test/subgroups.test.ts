import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { testGpu } from './helpers/gpu.ts';
import { $ } from './helpers/shell.ts';
import { testUnless } from './helpers/skip.ts';

// No kernel may lean on the size of a subgroup. Mesa's software driver takes it from the environment when it starts, so each
// size is a process of its own. The driver's default and the size of a GPU are left out: the other tests run with it.

const cwd = fileURLToPath(new URL('../', import.meta.url));
const loader = ['--import', 'tsx'];
const CHECKS = [
  ['test/radix-sort.test.ts'],
  ['test/scan.test.ts'],
  ['test/optimizer.test.ts'],
  ['test/raster-subgroup.test.ts', '16'],
  [
    'test/reference/check.ts',
    ...['raster_small', 'ssim', 'clip_tiny_random_io'].map(
      (name) => `test/data/reference/${name}.safetensors`,
    ),
  ],
];
const SIZE_OF = `
  const { openGpu } = await import('./wgsl/core/index.ts');
  const gpu = await openGpu();
  console.log(gpu.adapter.subgroupMaxSize);
  gpu.close();
`;

const { device, subgroupMaxSize } = (await testGpu()).adapter;
const fixed = device.startsWith('llvmpipe') ? undefined : 'the size of subgroups is fixed on this adapter';

for (const size of [4, 8, 16].filter((size) => size !== subgroupMaxSize)) {
  testUnless(
    test,
    fixed,
    `sort, scan, training, rasteriser, SSIM and CLIP with subgroups of ${size}`,
    async () => {
      const env = { ...process.env, LP_NATIVE_VECTOR_WIDTH: String(32 * size) };
      const run = $({ cwd, env, nothrow: true });
      const found = await run`${process.execPath} ${loader} --input-type=module -e ${SIZE_OF}`;
      assert.is(Number(found.stdout), size, found.stderr);
      for (const check of CHECKS) {
        const { exitCode, stdout, stderr } = await run`${process.execPath} ${loader} ${check}`;
        assert.is(exitCode, 0, `${check}:\n${stdout}${stderr}`);
      }
    },
  );
}

test.run();
