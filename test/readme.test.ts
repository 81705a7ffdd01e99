/** The README's examples run as printed, with fewer steps. */
import { existsSync, readdirSync, readFileSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
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

/** The anchor of a heading, as GitHub makes it. */
const anchorOf = (heading: string) =>
  heading
    .toLowerCase()
    .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replaceAll(' ', '-');

test('every link between the documents leads to a file, and to a heading in it', () => {
  const docs = readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md'));
  const files = ['README.md', 'CHANGELOG.md', 'prompts/README.md', ...docs.map((name) => `docs/${name}`)];
  const wrong: string[] = [];
  let count = 0;
  for (const file of files) {
    const text = readFileSync(join(root, file), 'utf8').replace(/^```[\s\S]*?^```/gm, '');
    for (const [, link] of text.matchAll(/\]\(((?!https?:)[^)\s]+)\)/g)) {
      count++;
      const [path, anchor] = link.split('#');
      const target = path ? join(root, dirname(file), path) : join(root, file);
      const headings =
        existsSync(target) && anchor ? readFileSync(target, 'utf8').matchAll(/^#+ (.*)$/gm) : [];
      const anchors = [...headings].map(([, heading]) => anchorOf(heading));
      if (!existsSync(target) || (anchor && !anchors.includes(anchor))) wrong.push(`${file}: ${link}`);
    }
  }
  assert.equal(wrong, []);
  assert.ok(count > 40, `${count} links`);
});

test.run();
