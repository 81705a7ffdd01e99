/** The README's examples run as printed, with fewer steps. */
import { existsSync, readFileSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readPipeline } from '../pipeline/file/read.ts';
import { stages } from '../stages/index.ts';
import { put, scratchFolder } from './helpers/scratch.ts';
import { $ } from './helpers/shell.ts';

const root = fileURLToPath(new URL('../', import.meta.url));
const readme = readFileSync(join(root, 'README.md'), 'utf8');

/** The fenced blocks of one language. */
function blocks(language: string): string[] {
  const found = [...readme.matchAll(new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\``, 'gm'))];
  return found.map(([, text]) => text);
}

test('the pipeline file is valid and names its options correctly', async () => {
  const [yaml, ...more] = blocks('yaml');
  assert.equal(more, []);
  const folder = scratchFolder();
  symlinkSync(join(root, 'scenes'), join(folder, 'scenes'));
  const plan = await readPipeline(put(folder, 'garden.yaml', yaml), { registry: stages });
  assert.equal(
    plan.stages.map(({ id }) => id),
    ['load', 'init', 'train', 'stylize', 'orbit', 'score'],
  );
});

const commands = blocks('sh')
  .flatMap((block) => block.split('\n'))
  .filter((line) => line.startsWith('npx splatline run'));

test('the README has commands', () => assert.is(commands.length, 2));

for (const [i, command] of commands.entries()) {
  test(`it runs: ${command}`, async () => {
    const given = command
      .replace('CAPTURE', 'scenes/playbot')
      .replace('clip-b32', 'test/data/clip-tiny')
      .split(/\s+/)
      .slice(2);
    const out = join(scratchFolder(), `${i}`);
    const { exitCode, stderr } = await $({ cwd: root, nothrow: true })`
      ${process.execPath} pipeline/splatline.mjs ${given} --until init --out ${out}`;
    assert.is(exitCode, 0, stderr);
    assert.ok(existsSync(join(out, 'run.json')));
  });
}

test('the script runs', async () => {
  const [script, ...more] = blocks('ts');
  assert.equal(more, []);
  // Beside package.json, so that the package finds itself by name.
  const file = join(root, `.readme-${process.pid}.ts`);
  writeFileSync(file, script);
  try {
    const { exitCode, stderr } = await $({ cwd: root, nothrow: true })`
      ${process.execPath} --import tsx ${file}`;
    assert.is(exitCode, 0, stderr);
  } finally {
    unlinkSync(file);
  }
});

test('every linked file exists', () => {
  const links = [...readme.matchAll(/\]\(((?!https?:)[^)#]+)\)/g)].map(([, path]) => path);
  assert.ok(links.length > 5);
  for (const path of links) assert.ok(existsSync(join(root, path)), path);
});

test.run();
