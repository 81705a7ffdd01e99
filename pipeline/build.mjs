/**
 * Builds `dist/`: the library and the command line as ES modules with source maps, and (`npm run build`) their declarations.
 * In a checkout the command `splatline` calls `buildIfStale` first.
 *
 * esbuild joins the modules into a few files, because linking hundreds of modules in Node takes longer than a whole cached
 * run. `import.meta.url` still names each source file's place in the package, so that kernels, prompts and
 * worker scripts are read from where they are: sources and package read the same file, and no copy can be stale.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join, posix, relative, sep } from 'node:path';
import { argv, execPath, pid } from 'node:process';
import { fileURLToPath, pathToFileURL } from 'node:url';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const DIST = join(ROOT, 'dist');
const STAMP = join(DIST, '.stamp');
const VENDOR_STAMP = join(DIST, '.vendored');
const FOLDERS = ['pipeline', 'stages', 'wgsl'];
/** The page of reports: one HTML file with its style, its script and the libraries that they import. */
const PAGE = 'pipeline/report/page';
/** `dist/NAME.js` and the module that it exports. */
const ENTRIES = {
  index: 'pipeline/index.ts',
  gpu: 'pipeline/gpu.ts',
  cli: 'pipeline/cli/main.ts',
  // A thread that imports a package which the build includes.
  'splat-writer-worker': 'stages/artefacts/splat-writer-worker.mjs',
};
/**
 * Small npm packages of plain JavaScript that are part of the build: every start needs them, or (wgsl_reflect) a browser, which
 * cannot resolve package names, or a small part of them is used (the hub).
 */
const INLINED = [
  '@clack/prompts',
  '@huggingface/hub',
  'cli-truncate',
  'commander',
  'es-module-lexer',
  'fastest-levenshtein',
  'log-update',
  'send',
  'wgsl_reflect',
  'yaml',
  'zod',
];
/** Packages in the page of reports. */
const OF_PAGE = ['uplot'];
/** Included as files: its own dependencies (a second Dawn and a game engine, 250 MB) are not used. */
const VENDORED = '@playcanvas/splat-transform';
const VENDORED_FILES = /^(LICENSE|dist[\\/](worker\.mjs|spz-[\w-]+\.js)|lib[\\/]webp\.(mjs|wasm))$/;

/** Inlined CommonJS packages call `require`. The import is dynamic, because browsers load the chunk, too. */
const REQUIRE =
  "const require=globalThis.process?.versions?.node?(await import('node:module')).createRequire(import.meta.url):undefined;";

/** Builds unless `dist/` matches the sources. Compares times and sizes of files. */
export async function buildIfStale() {
  const stamp = stampOf(sources());
  if (read(STAMP) === stamp) return;
  await buildModules();
  replaceFile(STAMP, stamp);
}

/** The page of reports, in one file. */
async function buildPage(build) {
  const { outputFiles } = await build({
    entryPoints: ['page.ts', 'page.css'],
    absWorkingDir: join(ROOT, PAGE),
    outdir: DIST,
    write: false,
    bundle: true,
    format: 'iife',
    platform: 'browser',
    target: ['chrome111', 'firefox113', 'safari16.4'],
    minify: true,
    legalComments: 'none',
    tsconfigRaw: {},
    logLevel: 'error',
  });
  const textOf = (ending) => outputFiles.find(({ path }) => path.endsWith(ending)).text.trim();
  const page = readFileSync(join(ROOT, PAGE, 'page.html'), 'utf8')
    .replace('<link rel="stylesheet" href="page.css">', () => `<style>${textOf('.css')}</style>`)
    .replace('<script type="module" src="page.ts"></script>', () => `<script>${textOf('.js')}</script>`);
  replaceFile(join(DIST, 'report.html'), page);
}

/** Every file that the build depends on. A process reads kernels itself and compares them with the build's. */
function sources() {
  const manifests = ['package.json', 'package-lock.json'].filter((path) => existsSync(join(ROOT, path)));
  const scripts = FOLDERS.flatMap(filesBelow).filter((path) => /\.(ts|mjs|html|css)$/.test(path));
  return [...manifests, ...scripts.sort()];
}

function filesBelow(folder) {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((item) => {
    const path = `${folder}/${item.name}`;
    return item.isDirectory() ? filesBelow(path) : [path];
  });
}

function stampOf(paths) {
  const hash = createHash('sha256');
  for (const path of paths) {
    const { mtimeMs, size } = statSync(ROOT + path);
    hash.update(`${path}\n${mtimeMs} ${size}\n`);
  }
  return hash.digest('hex');
}

/**
 * A file that a process loads later has its hash in its name and stays for running processes; each file appears
 * complete. So builds need no lock. Returns the paths of all modules.
 */
async function buildModules() {
  const { build } = await import('esbuild');
  mkdirSync(DIST, { recursive: true });
  await vendor(build);
  await buildPage(build);
  const result = await build({
    ...bundled(ENTRIES),
    define: { BUILT_CODE: JSON.stringify(JSON.stringify(await codeOfStages(build))) },
    entryNames: '[name]',
    splitting: true,
    sourcemap: true,
    sourcesContent: false,
  });
  // Entries come last: they name the others.
  const isEntry = ({ path }) => basename(path).replace(/\.js(\.map)?$/, '') in ENTRIES;
  for (const file of result.outputFiles.sort((a, b) => isEntry(a) - isEntry(b))) {
    // Only the chunk of esbuild's helpers calls `require`. An empty line in place of the banner keeps the source maps.
    const isHelpers = file.text.includes('__require=');
    replaceFile(file.path, isHelpers ? file.contents : file.text.replace(REQUIRE, ''));
  }
  return result.outputFiles.map(({ path }) => path);
}

/** Removes modules and declarations of earlier sources. The others exist throughout: another process may start from them. */
function removeStale(modules) {
  for (const name of readdirSync(DIST, { recursive: true })) {
    const path = join(DIST, name);
    const isOldModule = dirname(name) === '.' && /\.js(\.map)?$/.test(name) && !modules.includes(path);
    const source = /^types[\\/](.*)\.d\.ts$/.exec(name)?.[1];
    const hasNoSource =
      source && !existsSync(join(ROOT, `${source}.ts`)) && !existsSync(join(ROOT, `${source}.d.ts`));
    if (isOldModule || hasNoSource) rmSync(path, { force: true });
  }
}

/** The code of the built-in stages, which is part of their keys; uses the same module as for other stages. */
async function codeOfStages(build) {
  const reader = join(DIST, `.code-reader.${pid}.mjs`);
  const { outputFiles } = await build(bundled({ reader: 'pipeline/keys/code.ts' }));
  writeFileSync(reader, outputFiles[0].contents);
  try {
    const { modulesForBuild } = await import(pathToFileURL(reader).href);
    const stages = readdirSync(join(ROOT, 'stages')).map((name) => `stages/${name}/stage.ts`);
    return {
      modules: modulesForBuild(stages.filter((path) => existsSync(join(ROOT, path)))),
      packages: Object.fromEntries([...INLINED, VENDORED].map((name) => [name, versionOf(name)])),
    };
  } finally {
    rmSync(reader);
  }
}

/** Options of esbuild for the package's modules; the outputs are directly in `dist/`. */
function bundled(entryPoints) {
  return {
    entryPoints,
    absWorkingDir: ROOT,
    outdir: DIST,
    write: false,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.9',
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: 'none',
    tsconfigRaw: {},
    logLevel: 'error',
    banner: { js: REQUIRE },
    plugins: [{ name: 'package', setup: usePackage }],
  };
}

function usePackage(build) {
  build.onResolve({ filter: /^[^./]/ }, ({ path, importer, kind }) => {
    if (kind === 'entry-point' || importer.includes('node_modules')) return undefined;
    if (path === VENDORED) return { path: `./vendor/${basename(VENDORED)}/dist/index.mjs`, external: true };
    return INLINED.includes(packageOf(path)) ? undefined : { path, external: true };
  });
  // Zod contains its messages in 50 languages, which is half of its code.
  build.onLoad({ filter: /zod[\\/]v4[\\/]locales[\\/]index\.js$/ }, () => ({
    contents: "export { default as en } from './en.js';",
  }));
  build.onLoad({ filter: /\.(ts|mjs)$/ }, ({ path }) => {
    const inside = relative(ROOT, path).split(sep).join('/');
    if (inside.includes('node_modules')) return undefined;
    const text = readFileSync(path, 'utf8');
    return { contents: withOwnUrl(text, inside), loader: path.endsWith('.ts') ? 'ts' : 'js' };
  });
}

/** A URL that is a literal stays one, `new URL('../wgsl/x.wgsl', import.meta.url)`: bundlers of a web page find it. */
function withOwnUrl(text, path) {
  const urls = /new URL\('(\.[^']*)', import\.meta\.url\)|import\.meta\.url/g;
  return text.replace(urls, (_, literal) => {
    const place = literal ? posix.join(dirname(path), literal) : path;
    const entry = Object.keys(ENTRIES).find((name) => literal && ENTRIES[name] === place);
    const built = entry ? `./${entry}.js` : `../${place}`;
    return `new URL('${built}', import.meta.url)${literal ? '' : '.href'}`;
  });
}

/** Copies and joins the vendored package, unless `dist/` has it from the same packages by the same script. */
async function vendor(build) {
  const from = packageFolder(VENDORED);
  const to = join(DIST, 'vendor', basename(VENDORED));
  const stamp = JSON.stringify(
    [VENDORED, 'esbuild', ...INLINED, ...OF_PAGE].map((name) => [name, versionOf(name)]),
  );
  const hash = createHash('sha256')
    .update(stamp)
    .update(readFileSync(fileURLToPath(import.meta.url)))
    .digest('hex');
  if (read(VENDOR_STAMP) === hash && existsSync(join(to, 'dist', 'index.mjs'))) return;
  for (const name of readdirSync(from, { recursive: true }).filter((path) => VENDORED_FILES.test(path))) {
    mkdirSync(dirname(join(to, name)), { recursive: true });
    replaceFile(join(to, name), readFileSync(join(from, name)));
  }
  const { outputFiles } = await build({
    entryPoints: [join(from, 'dist', 'index.mjs')],
    external: ['webgpu', './worker.mjs', './spz-*'],
    bundle: true,
    format: 'esm',
    platform: 'node',
    minify: true,
    write: false,
    logLevel: 'error',
  });
  replaceFile(join(to, 'dist', 'index.mjs'), outputFiles[0].contents);
  const licences = withDependencies([...INLINED, ...OF_PAGE]).map((name) => {
    const file = readdirSync(packageFolder(name)).find((entry) => /^licen[cs]e/i.test(entry));
    return `${name}\n\n${file ? readFileSync(join(packageFolder(name), file), 'utf8') : ''}`;
  });
  replaceFile(join(DIST, 'LICENSES.txt'), licences.join('\n\n'));
  replaceFile(VENDOR_STAMP, hash);
}

/** Packages and those that they need, which the build includes, too. */
function withDependencies(names) {
  const found = new Set();
  const add = (name) => {
    const folder = packageFolder(name);
    if (!folder || found.has(name)) return; // an optional one may be absent
    found.add(name);
    const { dependencies = {} } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    for (const other of Object.keys(dependencies)) add(other);
  };
  for (const name of names) add(name);
  return [...found];
}

/** The package of an import: `yaml` of `yaml/util`, `@scope/name`. */
function packageOf(path) {
  return path.split('/', path.startsWith('@') ? 2 : 1).join('/');
}

/** The folder in which Node finds a package. */
function packageFolder(name) {
  const folders = createRequire(import.meta.url).resolve.paths(name);
  return folders.map((folder) => join(folder, name)).find((folder) => read(join(folder, 'package.json')));
}

function versionOf(name) {
  return JSON.parse(readFileSync(join(packageFolder(name), 'package.json'), 'utf8')).version;
}

function replaceFile(path, contents) {
  const partial = join(DIST, `.${pid}.partial`); // not packed
  writeFileSync(partial, contents);
  renameSync(partial, path);
}

function read(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

if (argv[1] && realpathSync(argv[1]) === fileURLToPath(import.meta.url)) {
  const stamp = stampOf(sources());
  const modules = await buildModules();
  replaceFile(STAMP, stamp);
  const tsc = join(packageFolder('typescript'), 'bin', 'tsc');
  const { status } = spawnSync(execPath, [tsc, '-p', 'tsconfig.build.json'], { cwd: ROOT, stdio: 'inherit' });
  if (status === 0) removeStale(modules);
  process.exitCode = status;
}
