/** The code of a stage, compared with the modules that esbuild finds, and the names of its files. */
import { existsSync, writeFileSync } from 'node:fs';
import { cp, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { isBuiltin } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { COMMON_CODE, CodeReader, modulesForBuild, packageOf } from '../pipeline/keys/code.ts';
import { stages } from '../stages/index.ts';
import { put, scratchFolder } from './helpers/scratch.ts';

const root = fileURLToPath(new URL('../', import.meta.url));
const reader = new CodeReader();
const closure = (path: string) => reader.codeOf([join(root, path)]);

/** All modules and packages that esbuild reads from an entry on. */
async function byEsbuild(entries: readonly string[]): Promise<{ modules: string[]; packages: string[] }> {
  const { metafile } = await build({
    entryPoints: entries.map((entry) => join(root, entry)),
    outdir: root,
    absWorkingDir: root,
    bundle: true,
    metafile: true,
    write: false,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    logLevel: 'error',
  });
  const packages = Object.values(metafile.inputs).flatMap(({ imports }) =>
    imports.filter(({ external, path }) => external && !isBuiltin(path)).map(({ path }) => packageOf(path)),
  );
  return { modules: Object.keys(metafile.inputs).sort(), packages: [...new Set(packages)].sort() };
}

/** Scripts that modules start as threads. */
async function threadsOf(paths: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const path of paths) {
    const text = await readFile(join(root, path), 'utf8');
    for (const [, file] of text.matchAll(/new Worker\(new URL\('([^']+)'/g))
      found.push(join(dirname(path), file));
  }
  return found;
}

test('every stage names the module that defines it', () => {
  assert.equal(
    stages.map(({ module }) => module && fileURLToPath(module)),
    stages.map(({ name }) => join(root, 'stages', name, 'stage.ts')),
  );
});

for (const { name } of stages) {
  const entry = `stages/${name}/stage.ts`;

  test(`${name}: the modules and packages are those that esbuild finds`, async () => {
    const code = closure(entry);
    // A thread's script is started, not imported: esbuild takes it as another entry.
    const { modules, packages } = await byEsbuild([entry, ...(await threadsOf(Object.keys(code.files)))]);
    assert.equal(
      Object.keys(code.files)
        .filter((path) => !path.endsWith('.wgsl'))
        .sort(),
      modules,
    );
    assert.ok(modules.length > 10);
    assert.equal(
      packages.filter((one) => !(one in code.packages)),
      [],
    );
  });

  test(`${name}: every kernel that a module names is found, with its includes`, async () => {
    const code = closure(entry);
    const kernels = Object.keys(code.files).filter((path) => path.endsWith('.wgsl'));
    const missing: string[] = [];
    for (const path of Object.keys(code.files)) {
      const text = await readFile(join(root, path), 'utf8');
      const named = path.endsWith('.wgsl')
        ? [...text.matchAll(/#include <([\w-]+)>/g)].map(([, file]) => `wgsl/shared/${file}.wgsl`)
        : [...text.matchAll(/['/]([\w-]+)(?:\.wgsl)?['`]/g)].map(
            ([, file]) => `${dirname(path)}/${file}.wgsl`,
          );
      missing.push(...named.filter((file) => existsSync(join(root, file)) && !kernels.includes(file)));
    }
    assert.equal(missing, []);
  });
}

test('a module of the library depends on the kernels that it names and on their includes alone', async () => {
  const kernelsOf = (path: string) =>
    Object.keys(closure(path).files)
      .filter((file) => file.endsWith('.wgsl'))
      .sort();
  assert.equal(kernelsOf('wgsl/nn/layer-norm.ts'), [
    'wgsl/nn/layer-norm-backward.wgsl',
    'wgsl/nn/layer-norm.wgsl',
    'wgsl/shared/finite.wgsl',
    'wgsl/shared/grid.wgsl',
    'wgsl/shared/input-gradient.wgsl',
    'wgsl/shared/rowwise.wgsl',
  ]);
  assert.equal(kernelsOf('wgsl/nn/product.ts'), [
    'wgsl/nn/product-cpu.wgsl',
    'wgsl/nn/product-vec4.wgsl',
    'wgsl/nn/product.wgsl',
    'wgsl/shared/gelu.wgsl',
    'wgsl/shared/product.wgsl',
  ]);
  assert.equal(kernelsOf('wgsl/nn/program.ts'), []);
});

test('every kernel of the library is used by a stage or an export of the library', async () => {
  const entries = [...stages.map(({ name }) => `stages/${name}/stage.ts`), 'pipeline/gpu.ts'];
  const used = new Set(entries.flatMap((entry) => Object.keys(closure(entry).files)));
  const all = (await readdir(join(root, 'wgsl'), { recursive: true })).map((path) => `wgsl/${path}`);
  assert.equal(
    all.filter((path) => path.endsWith('.wgsl') && !used.has(path)),
    [],
  );
});

test('an edited backward kernel changes only the code of train, stylize, and export, which measures contributions by it', async () => {
  const clone = scratchFolder();
  for (const part of ['package.json', 'pipeline', 'stages', 'wgsl']) {
    await cp(join(root, part), join(clone, part), { recursive: true });
  }
  await symlink(join(root, 'node_modules'), join(clone, 'node_modules'));
  const { CodeReader: CloneReader } = (await import(
    pathToFileURL(join(clone, 'pipeline/keys/code.ts')).href
  )) as { CodeReader: typeof CodeReader };
  const codes = () => {
    const fresh = new CloneReader();
    return stages.map(({ name }) => JSON.stringify(fresh.codeOf([join(clone, `stages/${name}/stage.ts`)])));
  };
  const before = codes();
  const kernels = (await readdir(join(clone, 'wgsl/splat'))).filter((file) =>
    /^rasterize-backward.*\.wgsl$/.test(file),
  );
  assert.is(kernels.length, 3);
  for (const kernel of kernels) {
    const file = join(clone, 'wgsl/splat', kernel);
    const text = await readFile(file, 'utf8');
    await writeFile(file, `${text}\n// edited\n`);
    const now = codes();
    await writeFile(file, text);
    const changed = stages.filter((_, i) => now[i] !== before[i]).map(({ name }) => name);
    assert.equal(changed, ['train', 'stylize', 'export'], kernel);
  }
  assert.equal(codes(), before);
});

test('the build records the modules that the sources have', () => {
  const entries = stages.map(({ name }) => `stages/${name}/stage.ts`);
  const modules = modulesForBuild(entries);
  const { files } = reader.codeOf([...entries.map((entry) => join(root, entry)), ...COMMON_CODE]);
  assert.equal(
    Object.fromEntries(Object.entries(modules).map(([path, { sha256 }]) => [path, sha256])),
    files,
  );
});

test('of a build, modules have the recorded code; kernels have that of the file, which the process reads later', async () => {
  const [module, kernel] = ['wgsl/sort/scan.ts', 'wgsl/sort/scan.wgsl'];
  const recorded = { sha256: 'recorded', packages: [] };
  const modules = { [module]: { ...recorded, files: [kernel] }, [kernel]: { ...recorded, files: [] } };
  Object.assign(globalThis, { BUILT_CODE: JSON.stringify({ modules, packages: {} }) });
  const url = new URL('../pipeline/keys/code.ts?built', import.meta.url).href;
  const { CodeReader: BuiltReader } = (await import(url)) as { CodeReader: typeof CodeReader };
  const { files } = new BuiltReader().codeOf([join(root, module)]);
  assert.is(files[module], 'recorded');
  assert.is(files[kernel], closure(module).files[kernel]);
});

test('the code of orbit has no code of training', () => {
  const { files } = closure('stages/orbit/stage.ts');
  assert.equal(
    Object.keys(files).filter((path) => /^(pipeline|stages\/(train|stylize|clip))\/|adam/.test(path)),
    [],
  );
});

test('a reader reads each file once', () => {
  const file = put(scratchFolder(), 'a.ts', '');
  const one = new CodeReader();
  const before = one.codeOf([file]).files;
  writeFileSync(file, '// changed');
  assert.equal(one.codeOf([file]).files, before);
  assert.not.equal(new CodeReader().codeOf([file]).files, before);
});

test('a package has its version, and those of its native parts, if it is installed', async () => {
  const folder = scratchFolder();
  put(
    folder,
    'node_modules/top/package.json',
    '{"name":"top","version":"1.0.0","dependencies":{"deep":"*","@types/x":"*"}}',
  );
  put(folder, 'node_modules/top/node_modules/deep/package.json', '{"name":"deep","version":"2.0.0"}');
  put(
    folder,
    'node_modules/deep/package.json',
    '{"name":"deep","version":"3.0.0","optionalDependencies":{"native":"*","other-os":"*"}}',
  );
  put(folder, 'node_modules/native/package.json', '{"name":"native","version":"8.18.4"}');
  put(folder, 'node_modules/@types/x/package.json', '{"name":"@types/x","version":"1.0.0"}');
  put(
    folder,
    'real/package.json',
    '{"name":"@scope/linked","version":"0.0.1","dependencies":{"unseen":"*"}}',
  );
  await mkdir(join(folder, 'node_modules/@scope'));
  await symlink(join(folder, 'real'), join(folder, 'node_modules/@scope/linked'));
  const file = put(
    folder,
    'src/a.ts',
    "import 'node:fs'; import 'fs'; import 'top/part.js'; import 'deep'; import '@scope/linked/x'; import('missing');",
  );
  const { splatline, ...packages } = new CodeReader().codeOf([file]).packages;
  assert.match(splatline, /^\d/);
  assert.equal(packages, {
    '@scope/linked': '0.0.1',
    deep: '2.0.0, 3.0.0',
    native: '8.18.4',
    top: '1.0.0',
  });
  put(folder, 'node_modules/missing/package.json', '{"name":"missing","version":"0.5.0"}');
  assert.is(new CodeReader().codeOf([file]).packages.missing, '0.5.0');
});

test('a file outside the package is named by its place beside the first module', () => {
  const folder = scratchFolder();
  const file = put(folder, 'src/stage.ts', "import '../part.js'; import './bare'; import './kernels.ts';");
  put(folder, 'part.ts', '');
  put(folder, 'src/bare/index.ts', '');
  put(folder, 'src/kernels.ts', "export const k = new URL('./k-one.wgsl', import.meta.url);");
  put(folder, 'src/k-one.wgsl', '#include <sh>\n');
  put(folder, 'src/other.wgsl', '');
  assert.equal(Object.keys(new CodeReader().codeOf([file]).files).sort(), [
    './../part.ts',
    './bare/index.ts',
    './k-one.wgsl',
    './kernels.ts',
    './stage.ts',
    'wgsl/shared/sh.wgsl',
  ]);
});

test('cycles terminate; a changed file changes only its own hash', () => {
  const folder = scratchFolder();
  const file = put(folder, 'a.ts', "import './b.ts';");
  put(folder, 'b.ts', "import './a.ts';");
  const before = new CodeReader().codeOf([file]).files;
  assert.equal(Object.keys(before), ['./a.ts', './b.ts']);
  put(folder, 'b.ts', "import './a.ts'; // changed");
  const after = new CodeReader().codeOf([file]).files;
  assert.is(after['./a.ts'], before['./a.ts']);
  assert.not.equal(after['./b.ts'], before['./b.ts']);
});

test('an import that cannot be followed is an error that names the importer', async () => {
  const folder = scratchFolder();
  const cases: [string, RegExp][] = [
    ["import './gone.ts';", /a\.ts refers to \.\/gone\.ts, which does not exist$/],
    ["new URL('./gone.wgsl', import.meta.url);", /a\.ts refers to \.\/gone\.wgsl, which does not exist$/],
    ['import(name);', /a\.ts, line 1: cannot be followed: import\(name\);$/],
    ["import '#inner';", /a\.ts imports #inner, which cannot be followed$/],
    ["import 'https://example.org/x.ts';", /a\.ts imports https:.*, which cannot be followed$/],
  ];
  for (const [text, expected] of cases) {
    const file = put(folder, 'a.ts', text);
    assert.throws(() => new CodeReader().codeOf([file]), expected);
  }
  const kernel = put(folder, 'k.wgsl', '#include <no-such-piece>\n');
  assert.throws(
    () => new CodeReader().codeOf([kernel]),
    /k\.wgsl refers to .*no-such-piece\.wgsl, which does not exist/,
  );
});

test.run();
