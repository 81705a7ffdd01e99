/** The start of the command from `dist/` of a separate package, whose sources the test changes. */
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { put, scratchFolder } from './helpers/scratch.ts';
import { $ } from './helpers/shell.ts';

const root = fileURLToPath(new URL('../', import.meta.url));
/** What the build needs. The other packages are absent: the start of a command may not import them. */
const PACKAGES = [
  '@clack',
  '@esbuild',
  '@huggingface',
  '@playcanvas',
  'cli-truncate',
  'commander',
  'es-module-lexer',
  'esbuild',
  'fastest-levenshtein',
  'log-update',
  'send',
  'uplot',
  'wgsl_reflect',
  'yaml',
  'zod',
];

const home = scratchFolder();
for (const name of ['package.json', 'pipeline', 'stages', 'wgsl']) {
  cpSync(join(root, name), join(home, name), { recursive: true });
}
mkdirSync(join(home, 'node_modules'));
for (const name of PACKAGES) symlinkSync(join(root, 'node_modules', name), join(home, 'node_modules', name));
const dist = join(home, 'dist');
const stampTime = () => statSync(join(dist, '.stamp')).mtimeMs;

async function start(...args: string[]) {
  const { exitCode, stdout, stderr } = await $({
    nothrow: true,
  })`${process.execPath} ${join(home, 'pipeline/splatline.mjs')} ${args}`;
  return { exitCode, stdout, stderr };
}

/** The same command from the TypeScript sources. */
async function startFromSources(...args: string[]) {
  const program = put(home, 'start.ts', FROM_SOURCES);
  const { exitCode, stdout, stderr } = await $({
    cwd: root,
    nothrow: true,
  })`${process.execPath} --import tsx ${program} ${args}`;
  return { exitCode, stdout, stderr };
}
const FROM_SOURCES = "import { main } from './pipeline/cli/main.ts';\nawait main(process.argv.slice(2));\n";

/** Calls `work` while a source file of the package reads otherwise. */
async function edited<T>(path: string, from: string, to: string, work: () => Promise<T>): Promise<T> {
  const file = join(home, path);
  const text = readFileSync(file, 'utf8');
  assert.ok(text.includes(from), `${path} has ${from}`);
  writeFileSync(file, text.replace(from, to));
  try {
    return await work();
  } finally {
    writeFileSync(file, text);
  }
}

test('the first start of a checkout builds, and a package without its other dependencies starts', async () => {
  assert.not.ok(existsSync(dist));
  const { exitCode, stdout, stderr } = await start('stages');
  assert.is(exitCode, 0, stderr);
  assert.match(stdout, /^## load$/m);
  assert.is(stderr, '');
});

test('the build and the sources behave alike, also when they fail', async () => {
  for (const args of [
    ['stages', '--json'],
    ['run', 'no-such.yaml'],
  ]) {
    assert.equal(await start(...args), await startFromSources(...args), args.join(' '));
  }
});

test('a start from a fresh build does not build again', async () => {
  await start('stages');
  const before = stampTime();
  await start('stages');
  assert.is(stampTime(), before);
});

test('`--version` neither builds nor loads anything', async () => {
  rmSync(dist, { recursive: true });
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  assert.equal(await start('--version'), { exitCode: 0, stdout: `${version}\n`, stderr: '' });
  assert.not.ok(existsSync(dist));
});

test('the next start uses an edited source, and the one after that its reverted text', async () => {
  const before = await start('stages', 'load');
  const summary = /^## load\n\n(.*)\. Inputs/m.exec(before.stdout)![1];
  const after = await edited('stages/load/stage.ts', summary, 'Fetches a capture', () =>
    start('stages', 'load'),
  );
  assert.is(after.stdout, before.stdout.replace(summary, 'Fetches a capture'));
  assert.equal(await start('stages', 'load'), before);
});

test('several first starts at once agree and leave a complete build', async () => {
  rmSync(dist, { recursive: true });
  const [first, ...others] = await Promise.all([1, 2, 3].map(() => start('stages', '--json')));
  assert.is(first.exitCode, 0, first.stderr);
  for (const other of others) assert.equal(other, first);
  assert.equal(
    readdirSync(dist).filter((name) => /\.\d+$/.test(name) || name.startsWith('.code-reader')),
    [],
    'temporary files',
  );
});

test('a stack trace names the source module and its line', async () => {
  const path = 'pipeline/cli/stages.ts';
  const text = readFileSync(join(home, path), 'utf8');
  const from = '      const chosen = stages.filter';
  const line = text.slice(0, text.indexOf(from)).split('\n').length + 1;
  const broken = `      if (wanted === 'broken')\n        throw new TypeError('our own fault');\n${from}`;
  const { exitCode, stderr } = await edited(path, from, broken, () => start('stages', 'broken'));
  assert.is(exitCode, 1);
  assert.match(stderr, /^TypeError: our own fault$/m);
  assert.match(stderr, new RegExp(`pipeline/cli/stages\\.ts:${line}:`));
});

test('a full build keeps the modules of an equal build in place throughout, and removes those of other sources', async () => {
  rmSync(join(home, 'node_modules'), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(home, 'node_modules'));
  for (const name of ['tsconfig.json', 'tsconfig.build.json']) cpSync(join(root, name), join(home, name));
  const modules = () => readdirSync(dist).filter((name) => name.endsWith('.js'));
  const before = modules();
  const stale = put(home, 'dist/runner-00000000.js', '');
  const missing = new Set<string>();
  const watch = setInterval(() => {
    for (const name of before) if (!existsSync(join(dist, name))) missing.add(name);
  }, 2);
  await $({ cwd: home })`${process.execPath} pipeline/build.mjs`;
  clearInterval(watch);
  const after = modules();
  assert.not.ok(existsSync(stale));
  assert.ok(after.length > 10);
  assert.equal(
    after.filter((name) => missing.has(name) || !before.includes(name)),
    [],
  );
});

test.run();
