/** How the command starts: in a package of its own whose sources can be changed. */
import {
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { $ } from '../pipeline/process.ts';
import { put, scratchFolder } from './helpers/scratch.ts';

const root = fileURLToPath(new URL('../', import.meta.url));
/** Those without which nothing starts. The others are not there: nobody may ask for them before work needs them. */
const PACKAGES = ['commander', 'esbuild', 'fastest-levenshtein', 'tsx', 'yaml', 'zod', 'zx'];

const home = scratchFolder();
for (const name of ['package.json', 'pipeline', 'stages', 'wgsl']) {
  cpSync(join(root, name), join(home, name), { recursive: true });
}
mkdirSync(join(home, 'node_modules'));
for (const name of PACKAGES) symlinkSync(join(root, 'node_modules', name), join(home, 'node_modules', name));
const cache = join(home, 'node_modules/.cache/splatline');

async function start(...args: string[]) {
  const env = { ...process.env, NODE_DEBUG: 'splatline' };
  const { exitCode, stdout, stderr } = await $({
    env,
    nothrow: true,
  })`${process.execPath} ${join(home, 'pipeline/splatline.mjs')} ${args}`;
  return { exitCode, stdout, stderr };
}

/** The same from the sources as they are. */
async function startThroughTsx(...args: string[]) {
  const { exitCode, stdout, stderr } = await $({
    nothrow: true,
  })`${process.execPath} --import ${join(home, 'pipeline/typescript.mjs')} ${put(home, 'start.ts', THROUGH_TSX)} ${args}`;
  return { exitCode, stdout, stderr };
}
const THROUGH_TSX = "import { main } from './pipeline/cli/main.ts';\nawait main(process.argv.slice(2));\n";

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

const states = () => readdirSync(cache).sort();
const copyOf = (state: string, file: string) => join(cache, state, file);

test('what is said compiled is what the sources say, for good and for bad', async () => {
  for (const args of [
    ['stages', '--json'],
    ['run', 'no-such.yaml'],
  ]) {
    const [sources, compiled] = [await startThroughTsx(...args), await start(...args)];
    assert.equal(compiled, sources, args.join(' '));
  }
  assert.is(states().length, 1);
});

test('the second start needs neither tsx nor a new copy', async () => {
  const expected = await start('stages');
  const [state] = states();
  assert.ok(readdirSync(join(cache, state)).includes('stages.v8'));
  rmSync(join(home, 'node_modules/tsx'));
  try {
    assert.equal(await start('stages'), expected);
  } finally {
    symlinkSync(join(root, 'node_modules/tsx'), join(home, 'node_modules/tsx'));
  }
  assert.equal(states(), [state]);
});

test('an edited source counts at the next start, and so does its way back', async () => {
  const before = await start('stages', 'load');
  const after = await edited('stages/load/stage.ts', 'Reads a COLMAP capture', 'Fetches a capture', () =>
    start('stages', 'load'),
  );
  assert.match(before.stdout, /^load: Reads a COLMAP capture/);
  assert.is(after.stdout, before.stdout.replace('Reads a COLMAP capture', 'Fetches a capture'));
  assert.is(states().length, 2);
  assert.equal(await start('stages', 'load'), before);
  assert.is(states().length, 2);
});

test('a broken file of a copy is survived and mended', async () => {
  rmSync(cache, { recursive: true });
  const expected = await start('stages');
  const [state] = states();
  const [code, kept] = [copyOf(state, 'main.cjs'), copyOf(state, 'stages.v8')];
  const whole = readFileSync(code);

  truncateSync(code, whole.length >> 1);
  assert.equal(await start('stages'), expected, 'cut short');
  assert.equal(readFileSync(code), whole);

  const keptBytes = readFileSync(kept);
  keptBytes.fill(0x55, keptBytes.length >> 1);
  writeFileSync(kept, keptBytes);
  assert.equal(await start('stages'), expected, 'what V8 kept');
  assert.not.ok(readFileSync(kept).equals(keptBytes));

  rmSync(kept);
  writeFileSync(code, `{${whole.subarray(1)}`);
  const thrown = await start('stages');
  assert.is(thrown.stdout, expected.stdout, 'no JavaScript');
  assert.match(thrown.stderr, /SyntaxError/);
  assert.equal(await start('stages'), expected);
  assert.equal(readFileSync(code), whole);
});

test('several first starts at once agree, and leave one copy', async () => {
  rmSync(cache, { recursive: true });
  const [first, ...others] = await Promise.all([1, 2, 3].map(() => start('stages', '--json')));
  assert.is(first.exitCode, 0);
  for (const other of others) assert.equal(other, first);
  assert.is(states().length, 1);
  assert.match(states()[0], /^[0-9a-f]{32}$/);
});

test('where no copy can be kept, the sources are used', async () => {
  const expected = await start('stages');
  rmSync(dirname(cache), { recursive: true });
  writeFileSync(dirname(cache), 'a file where the folder should be');
  try {
    const { stderr, ...said } = await start('stages');
    assert.equal(said, { exitCode: 0, stdout: expected.stdout });
    assert.match(stderr, /the sources are used as they are: .*(ENOTDIR|EEXIST)/);
  } finally {
    rmSync(dirname(cache));
  }
});

test('traces name the module and its line', async () => {
  const text = readFileSync(join(home, 'pipeline/cli/stages.ts'), 'utf8');
  const from = '      const chosen = name === undefined';
  const line = text.slice(0, text.indexOf(from)).split('\n').length + 1;
  const { exitCode, stderr } = await edited(
    'pipeline/cli/stages.ts',
    from,
    `      if (name === 'broken')\n        throw new TypeError('our own fault');\n${from}`,
    () => start('stages', 'broken'),
  );
  assert.is(exitCode, 1);
  assert.match(stderr, /^TypeError: our own fault$/m);
  assert.match(stderr, new RegExp(`^ +at .*${join(home, 'pipeline/cli/stages.ts')}:${line}:15\\)?$`, 'm'));
  assert.not.match(stderr, /main\.cjs/);
});

test.run();
