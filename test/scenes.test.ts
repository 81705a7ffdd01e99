import { readdir, readFile, stat } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parse } from 'yaml';
import type * as z from 'zod';
import { readMatrix, readPipeline } from '../pipeline/file/read.ts';
import { stages } from '../stages/index.ts';
import type { stylizeOptions } from '../stages/stylize/stage.ts';
import type { trainOptions } from '../stages/train/options.ts';
import { generatedFiles } from './generated-files.ts';
import { PROMPTS } from './styles/prompts.ts';

const root = new URL('../', import.meta.url);
const scenes = new URL('scenes/', root);
const files = (await readdir(scenes, { recursive: true }))
  .filter((name) => name.endsWith('.yaml') && !name.includes('.golden'))
  .sort();

for (const file of files) {
  test(`scenes/${file} is valid, and has a unique name`, async () => {
    const path = fileURLToPath(new URL(file, scenes));
    // The template for people's own captures names a full model, which no test fetches.
    const set = file === 'colmap.yaml' ? ['stylize.model=demo'] : [];
    const options = { registry: stages, set };
    const matrix = await readMatrix(path, options);
    const plans = matrix?.cells.map(({ plan }) => plan) ?? [await readPipeline(path, options)];
    for (const plan of plans) for (const { stage, options } of plan.stages) await stage.preflight?.(options);
    const text = await readFile(path, 'utf8');
    const schema = relative(dirname(path), fileURLToPath(new URL('pipeline/schema.json', root)));
    assert.is(text.split('\n')[0], `# yaml-language-server: $schema=${schema}`);
    const others = await Promise.all(
      files
        .filter((name) => name !== file)
        .map(async (name) => parse(await readFile(new URL(name, scenes), 'utf8'))),
    );
    assert.not(others.some(({ name }) => name === plans[0].name));
  });
}

test('the gallery’s commands run its file, which has the prompts of the table', async () => {
  const page = await readFile(new URL('docs/gallery.md', root), 'utf8');
  const commands = [...page.matchAll(/^ {4}npx splatline run (\S+)(?: --cell (\S+))?$/gm)];
  assert.equal(
    commands.map(([, file]) => file),
    ['scenes/gallery.yaml', 'scenes/gallery.yaml'],
  );
  const matrix = await readMatrix(fileURLToPath(new URL('gallery.yaml', scenes)), { registry: stages });
  assert.equal(matrix!.axes, { prompt: PROMPTS });
  assert.ok(matrix!.cells.some(({ name }) => name === commands[1][2]));
  const [, picture] = /!\[.*\]\((.*)\)/.exec(page)!;
  assert.ok((await stat(new URL(`docs/${picture}`, root))).size <= 400_000);
});

test('the scene files that the documents name exist', () => {
  for (const name of ['colmap', 'demo', 'joint', 'joint-balanced'])
    assert.ok(files.includes(`${name}.yaml`), name);
  for (const name of ['prompts', 'joint-sweep', 'opacity'])
    assert.ok(files.includes(join('paper', `${name}.yaml`)), name);
});

/** The options of a stage in each cell of one of the paper's files, with another capture in place of the carried one. */
async function paperOptions(name: string, stage: string) {
  const path = fileURLToPath(new URL(`paper/${name}.yaml`, scenes));
  const set = ['load.colmap=scenes/playbot'];
  const matrix = await readMatrix(path, { registry: stages, set, cwd: fileURLToPath(root) });
  return matrix!.cells.map(({ plan }) => plan.stages.find(({ id }) => id === stage)!.options);
}

test('the paper’s files have its prompts, its weights and its losses', async () => {
  const library = parse(await readFile(new URL('prompts/library.yaml', root), 'utf8'));
  const prompts = (await paperOptions('prompts', 'stylize')) as z.output<typeof stylizeOptions>[];
  assert.equal(
    prompts.map(({ prompt }) => prompt),
    ['rococo', 'day-of-the-dead', 'under-the-sea', 'night-city', 'purple-brush', 'watercolor'].map(
      (name) => library[name].text,
    ),
  );
  const opacity = (await paperOptions('opacity', 'stylize')) as z.output<typeof stylizeOptions>[];
  assert.equal(
    opacity.map(({ rates }) => rates.opacity),
    [0, 0.02],
  );
  for (const { preset, losses } of [...prompts, ...opacity]) {
    assert.is(preset, 'paper');
    assert.equal(losses, {});
  }
  for (const { train } of prompts) assert.equal(train, ['sh']);
  for (const { train } of opacity) assert.equal(train, ['sh', 'opacity']);
  const joint = (await paperOptions('joint-sweep', 'train')) as z.output<typeof trainOptions>[];
  assert.equal(
    joint.map(({ dssim, clip }) => [dssim, clip!.mode, clip!.preset, clip!.weight]),
    [0.001, 0.01, 0.1, 1].map((k) => [0, 'paper', 'paper', k]),
  );
});

for (const { path, text } of generatedFiles()) {
  test(`${path} matches the stages (npm run schema writes it)`, async () => {
    assert.is(await readFile(new URL(path, root), 'utf8'), text);
  });
}

test.run();
