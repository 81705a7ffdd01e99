/** The table of kernels, and every variant of it compiled. */
import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { KERNEL_TARGETS } from '../wgsl/core/index.ts';
import { INCLUDE } from '../wgsl/core/source.ts';
import { KERNELS } from '../wgsl/kernels.ts';
import { openWithMatrices } from './helpers/emulated-matrices.ts';
import { testGpu, withGpu } from './helpers/gpu.ts';
import { testUnless } from './helpers/skip.ts';

const folder = fileURLToPath(new URL('../wgsl/', import.meta.url));
const files = (await readdir(folder, { recursive: true })).filter((path) => path.endsWith('.wgsl')).sort();
const isShared = (path: string) => path.startsWith('shared/');

const variants = KERNELS.flatMap((kernel) =>
  KERNEL_TARGETS.filter((target) => kernel.variants[target]).map((target) => {
    const variant = kernel.variants[target]!;
    const source = variant.source ?? kernel.variants.portable.source;
    return { kernel, target, variant, path: fileURLToPath(source).slice(folder.length) };
  }),
);

test('the table has every kernel file, and every variant is named after its kernel and target', () => {
  assert.equal(
    [...new Set(variants.map(({ path }) => path))].sort(),
    files.filter((path) => !isShared(path)),
  );
  for (const { kernel, target, variant, path } of variants) {
    const name = kernel.label
      .split('/')
      .filter((part) => part !== kernel.entry)
      .at(-1);
    const suffix = target === 'portable' || !variant.source ? '' : `-${target}`;
    assert.is(path.split('/').at(-1), `${name}${suffix}.wgsl`, `${kernel.label}, ${target}`);
  }
});

test('labels differ', () => {
  const labels = KERNELS.map(({ label }) => label);
  assert.equal(labels, [...new Set(labels)]);
});

test('every shared file is included by some kernel', async () => {
  const included = new Set<string>();
  for (const path of files.filter((path) => !isShared(path))) {
    const text = await readFile(`${folder}${path}`, 'utf8');
    for (const [, name] of text.matchAll(INCLUDE)) included.add(`shared/${name}.wgsl`);
  }
  assert.equal([...included].sort(), files.filter(isShared));
});

const SUBGROUP_MATRIX_EXTENSION = 'chromium_experimental_subgroup_matrix';
const { subgroupSize } = await testGpu();
// Kernels for tensor cores compile with emulated matrices on adapters without them.
const matrices = await openWithMatrices();
for (const { kernel, target, variant } of variants) {
  const needsSubgroups = variant.enables?.includes('subgroups');
  const reason =
    needsSubgroups && !(await testGpu()).supports(target)
      ? `this adapter has subgroups of ${subgroupSize}, 0 for none`
      : undefined;
  testUnless(test, reason, `${kernel.label} compiles for the target ${target}`, () =>
    withGpu(async () => {
      const gpu =
        matrices && variant.enables?.includes(SUBGROUP_MATRIX_EXTENSION) ? matrices : await testGpu();
      const constants = { ...kernel.example, ...variant.example };
      const compiled = await gpu.kernel(kernel, { target, constants });
      assert.is(compiled.label, target === 'portable' ? kernel.label : `${kernel.label}-${target}`);
    }),
  );
}

test.run();
