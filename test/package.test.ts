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
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'es-module-lexer/js';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { put, scratchFolder } from './helpers/scratch.ts';
import { $ } from './helpers/shell.ts';
import { testUnless } from './helpers/skip.ts';

const root = fileURLToPath(new URL('../', import.meta.url));
const folder = scratchFolder();
const modules = join(folder, 'node_modules');
const installed = join(modules, 'splatline');
/** The packed package, once there is one. */
let packed = '';

test('the package installs with one WebGPU binding', async () => {
  const { stdout } = await $({ cwd: root })`npm pack --json --silent --pack-destination ${folder}`;
  const [{ filename }] = JSON.parse(stdout.slice(stdout.indexOf('[\n')));
  packed = join(folder, filename);
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, type: 'module' }));
  const started = performance.now();
  await $({ cwd: folder })`
    npm install --prefer-offline --no-audit --no-fund --ignore-scripts ${packed}`;
  const seconds = (performance.now() - started) / 1000;
  const paths = readdirSync(modules, { recursive: true, encoding: 'utf8' });
  const bytes = paths.reduce((sum, path) => sum + sizeOf(join(modules, path)), 0);
  console.log(`node_modules: ${(bytes / 1e6).toFixed(0)} MB, installed in ${seconds.toFixed(1)} s`);
  assert.equal(
    paths.filter((path) => /(^|[\\/])node_modules[\\/]webgpu$|^webgpu$/.test(path)),
    ['webgpu'],
  );
});

test('publint and attw find nothing in the package', async () => {
  const bin = (name: string) => join(root, 'node_modules/.bin', name);
  await $({ cwd: root })`${bin('publint')} ${packed} --strict`;
  await $({ cwd: root })`${bin('attw')} ${packed} --profile esm-only`;
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

test('the installed package writes and reads a splat', async () => {
  const script = join(folder, 'splat.js');
  writeFileSync(
    script,
    `import { writeFileSync } from 'node:fs';
     import { exportPly, init, load, openGpu } from 'splatline';
     const gpu = await openGpu();
     const dataset = { views: [], points: { positions: new Float32Array([0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1]),
       colors: new Uint8Array(12).fill(200) }, up: [0, -1, 0], center: [0, 0, 0], extent: 1 };
     const gaussians = await init(gpu, { dataset });
     writeFileSync('out.ply', await exportPly(gpu, gaussians));
     const loaded = await load(gpu, {}, { ply: 'out.ply' });
     console.log(loaded.gaussians.count);
     gpu.close();`,
  );
  const { stdout, stderr } = await $({ cwd: folder })`${process.execPath} ${script}`;
  assert.is(stdout, '4\n');
  assert.is(stderr, '');
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

/** Sorts on a device that the script has requested itself: prints the sorted keys. */
const OWN_DEVICE = `
  const adapter = await navigator.gpu.requestAdapter();
  const { NEEDED_LIMITS, openGpu, RadixSort } = await import(globalThis.library ?? 'splatline/gpu');
  const device = await adapter.requestDevice({ requiredLimits: NEEDED_LIMITS });
  const gpu = await openGpu({ device });
  const arena = gpu.arena('example');
  const keys = arena.upload('keys', new Uint32Array([3, 1, 2]), 'parameters');
  const count = arena.upload('count', new Uint32Array([3]), 'parameters');
  const options = { label: 'sort', capacity: 3, keys, identityValues: true, count, countWord: 0, bits: 2 };
  const sort = await RadixSort.create(gpu, arena, options);
  gpu.run('example', (recorder) => sort.record(recorder));
  console.log(...(await gpu.readWords(sort.sortedKeys, 'metrics', 3)));
  gpu.close();`;
const NODE_GPU = `
  import { create, globals } from 'webgpu';
  Object.defineProperty(globalThis, 'navigator', { value: { gpu: create([]) }, configurable: true });`;

test('splatline/gpu takes a device of the npm package webgpu', async () => {
  const script = put(folder, 'own-device.js', NODE_GPU + OWN_DEVICE);
  const { stdout } = await $({ cwd: folder })`${process.execPath} ${script}`;
  assert.is(stdout, '1 2 3\n');
});

test('splatline/gpu runs with modules and kernels over HTTP and without Node, as in a browser', async () => {
  const asked = new Set<string>();
  const server = createServer((request, response) => {
    asked.add(request.url!);
    const path = join(installed, request.url!);
    if (existsSync(path)) response.end(readFileSync(path));
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  put(
    folder,
    'http-modules.js',
    `export async function resolve(specifier, context, next) {
       const byHttp = context.parentURL?.startsWith('http:');
       if (byHttp && !/^[.]{0,2}[/]/.test(specifier)) throw new Error('a browser finds no ' + specifier);
       if (!byHttp && !specifier.startsWith('http:')) return next(specifier, context);
       return { url: new URL(specifier, context.parentURL).href, shortCircuit: true };
     }
     export async function load(url, context, next) {
       if (!url.startsWith('http:')) return next(url, context);
       const response = await fetch(url);
       return { format: 'module', source: await response.text(), shortCircuit: true };
     }`,
  );
  const script = put(
    folder,
    'browser.js',
    `${NODE_GPU}
     import { register } from 'node:module';
     register('./http-modules.js', import.meta.url);
     Object.assign(globalThis, globals, { library: 'http://127.0.0.1:${port}/dist/gpu.js' });
     delete globalThis.process;
     ${OWN_DEVICE}`,
  );
  try {
    const { stdout } = await $({ cwd: folder })`${process.execPath} ${script}`;
    assert.is(stdout, '1 2 3\n');
  } finally {
    server.close();
  }
  assert.ok([...asked].some((path) => /^\/wgsl\/sort\/.*\.wgsl$/.test(path)));
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

test('a new pipeline file names the schema of the installed package', async () => {
  await $({ cwd: folder })`npx --no-install splatline new films --from demo --goal turntable`;
  const [first] = readFileSync(join(folder, 'films/films.yaml'), 'utf8').split('\n');
  const address = '../node_modules/splatline/pipeline/schema.json';
  assert.is(first, `# yaml-language-server: $schema=${address}`);
  assert.ok(existsSync(join(folder, 'films', address)));
});

const deno = [join(root, 'node_modules/.bin'), ...(process.env.PATH ?? '').split(delimiter)]
  .map((place) => join(place, 'deno'))
  .find((path) => existsSync(path));
const noDeno = deno ? undefined : 'deno is not installed';
testUnless(test, noDeno, 'both modules import in Deno', async () => {
  const script = join(folder, 'import.js');
  const { stdout } = await $({ cwd: folder })`${deno!} run -A --unstable-webgpu ${script}`;
  assert.match(stdout, /^function \d+\n$/);
});

testUnless(test, noDeno, "splatline/gpu takes a device of Deno's", async () => {
  const script = put(folder, 'deno-device.js', OWN_DEVICE);
  const { stdout } = await $({ cwd: folder })`${deno!} run -A --unstable-webgpu ${script}`;
  assert.is(stdout, '1 2 3\n');
});

testUnless(test, noDeno, 'Deno runs the script from the sources', async () => {
  const out = join(folder, 'deno-out');
  const { stdout } = await $({ cwd: root })`
    ${deno!} run -A --unstable-webgpu scenes/script.ts ${out} 3 test/data/clip-tiny`;
  assert.match(stdout, /Results in /);
  for (const name of ['splat.ply', 'scores.json', 'turntable.mp4', 'frames'])
    assert.ok(existsSync(join(out, name)), name);
});

function sizeOf(path: string): number {
  const { size } = statSync(path);
  return statSync(path).isFile() ? size : 0;
}

test.run();
