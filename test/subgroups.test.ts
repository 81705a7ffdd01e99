import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { testGpu } from './helpers/gpu.ts';
import { $ } from './helpers/shell.ts';

// No kernel may lean on the size of a subgroup. Mesa's software driver takes it from the environment when it starts, so each
// size is a process of its own; a GPU has the size that it has, and runs the same checks once.

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
const widths = device.startsWith('llvmpipe') ? [128, 256, 512] : [undefined];

for (const width of widths) {
  const size = width ? width / 32 : subgroupMaxSize;
  test(`sort, scan, training steps, rasteriser, SSIM and CLIP with subgroups of ${size}`, async () => {
    const env = { ...process.env, ...(width && { LP_NATIVE_VECTOR_WIDTH: String(width) }) };
    const run = $({ cwd, env, nothrow: true });
    const found = await run`${process.execPath} ${loader} --input-type=module -e ${SIZE_OF}`;
    assert.is(Number(found.stdout), size, found.stderr);
    for (const check of CHECKS) {
      const { exitCode, stdout, stderr } = await run`${process.execPath} ${loader} ${check}`;
      assert.is(exitCode, 0, `${check}:\n${stdout}${stderr}`);
    }
  });
}

test.run();
