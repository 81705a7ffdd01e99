/** The package as users get it: packed, installed in an empty folder, imported, compiled against and run. */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'es-module-lexer/js';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { $ } from '../pipeline/process.ts';
import { scratchFolder } from './helpers/scratch.ts';
import { testUnless } from './helpers/skip.ts';

const root = fileURLToPath(new URL('../', import.meta.url));
const folder = scratchFolder();
const modules = join(folder, 'node_modules');
const installed = join(modules, 'splatline');

test('the package installs with one WebGPU binding', async () => {
  const { stdout } = await $({ cwd: root })`npm pack --json --silent --pack-destination ${folder}`;
  const [{ filename }] = JSON.parse(stdout.slice(stdout.indexOf('[\n')));
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, type: 'module' }));
  const started = performance.now();
  await $({ cwd: folder })`
    npm install --prefer-offline --no-audit --no-fund --ignore-scripts ${join(folder, filename)}`;
  const seconds = (performance.now() - started) / 1000;
  const paths = readdirSync(modules, { recursive: true, encoding: 'utf8' });
  const bytes = paths.reduce((sum, path) => sum + sizeOf(join(modules, path)), 0);
  console.log(`node_modules: ${(bytes / 1e6).toFixed(0)} MB, installed in ${seconds.toFixed(1)} s`);
  assert.equal(
    paths.filter((path) => /(^|[\\/])node_modules[\\/]webgpu$|^webgpu$/.test(path)),
    ['webgpu'],
  );
});

test('both modules import in plain Node', async () => {
  const script = join(folder, 'import.js');
  writeFileSync(
    script,
    `import { readPipeline, GpuError } from 'splatline';
     import * as gpu from 'splatline/gpu';
     if (gpu.GpuError !== GpuError) throw new Error('two classes GpuError');
     console.log(typeof readPipeline, Object.keys(gpu).length);`,
  );
  const { stdout } = await $({ cwd: folder })`${process.execPath} ${script}`;
  assert.match(stdout, /^function \d+\n$/);
});

test('the import of splatline/gpu reaches no module outside the package', () => {
  const seen = new Set<string>();
  const outside = new Set<string>();
  const visit = (path: string) => {
    if (seen.has(path)) return;
    seen.add(path);
    const [imports] = parse(readFileSync(path, 'utf8'));
    for (const found of imports) {
      if (found.type !== 'static' && found.type !== 'reexport-star') continue;
      const name = found.specifier;
      if (name.startsWith('.')) visit(join(dirname(path), name));
      else outside.add(name);
    }
  };
  visit(join(installed, 'dist/gpu.js'));
  assert.equal([...outside], []);
});

const CONSUMER = `
import { loadGaussians, openGpu as open, readPipeline } from 'splatline';
import { type Gpu, openGpu, RadixSort, SplatRenderer } from 'splatline/gpu';
export async function main(device: GPUDevice): Promise<SplatRenderer> {
  const gpu: Gpu = await openGpu({ device });
  const buffer: GPUBuffer = gpu.arena('consumer').buffer('keys', 4);
  // @ts-expect-error: the label of a sort is a string.
  RadixSort.create(gpu, gpu.arena('sort'), { label: 1, capacity: 1, keys: buffer, count: buffer, countWord: 0, bits: 8 });
  return SplatRenderer.create(gpu, 'consumer');
}
export const used = [loadGaussians, open, readPipeline];
`;

const CONSUMERS = [
  { compiler: 'typescript', options: { lib: ['ES2023'], types: ['@webgpu/types'] } },
  { compiler: 'typescript6', options: { lib: ['ES2023', 'DOM'], types: [] } },
];
for (const { compiler, options } of CONSUMERS) {
  test(`a strict consumer compiles with ${compiler}`, async () => {
    for (const name of ['@webgpu', '@types', 'zod']) {
      if (!existsSync(join(modules, name)))
        symlinkSync(join(root, 'node_modules', name), join(modules, name));
    }
    const own = join(folder, compiler);
    mkdirSync(own);
    writeFileSync(join(own, 'consumer.ts'), CONSUMER);
    const compilerOptions = {
      target: 'ES2022',
      module: 'NodeNext',
      strict: true,
      skipLibCheck: true,
      noEmit: true,
      ...options,
    };
    writeFileSync(join(own, 'tsconfig.json'), JSON.stringify({ compilerOptions }));
    const tsc = join(root, 'node_modules', compiler, 'bin/tsc');
    const { exitCode, stdout } = await $({ nothrow: true })`${process.execPath} ${tsc} -p ${own}`;
    assert.is(exitCode, 0, stdout);
  });
}

test('the command runs', async () => {
  const { stdout } = await $({ cwd: folder })`npx --no-install splatline --version`;
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  assert.match(stdout, version);
});

const deno = [join(root, 'node_modules/.bin'), ...(process.env.PATH ?? '').split(delimiter)]
  .map((place) => join(place, 'deno'))
  .find((path) => existsSync(path));
testUnless(test, deno ? undefined : 'deno is not installed', 'both modules import in Deno', async () => {
  const script = join(folder, 'import.js');
  const { stdout } = await $({ cwd: folder })`${deno!} run -A --unstable-webgpu ${script}`;
  assert.match(stdout, /^function \d+\n$/);
});

function sizeOf(path: string): number {
  const { size } = statSync(path);
  return statSync(path).isFile() ? size : 0;
}

test.run();
