import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parse } from 'yaml';
import { readPipeline } from '../pipeline/file/read.ts';
import { stages } from '../stages/index.ts';
import { generatedFiles } from './generated-files.ts';

const root = new URL('../', import.meta.url);
const scenes = new URL('scenes/', root);
const files = (await readdir(scenes)).filter((name) => name.endsWith('.yaml')).sort();

for (const file of files) {
  test(`scenes/${file} is valid, and has a unique name`, async () => {
    const path = fileURLToPath(new URL(file, scenes));
    // The template for people's own captures names a full model, which no test fetches.
    const set = file === 'colmap.yaml' ? ['stylize.model=demo'] : [];
    const plan = await readPipeline(path, { registry: stages, set });
    for (const { stage, options } of plan.stages) await stage.preflight?.(options);
    const text = await readFile(path, 'utf8');
    assert.match(text, /^# yaml-language-server: \$schema=\.\.\/pipeline\/schema\.json\n/);
    const others = await Promise.all(
      files
        .filter((name) => name !== file)
        .map(async (name) => parse(await readFile(new URL(name, scenes), 'utf8'))),
    );
    assert.not(others.some(({ name }) => name === plan.name));
  });
}

test('the scene files that the documents name exist', () => {
  for (const name of ['colmap', 'demo', 'joint', 'joint-balanced', 'restyle-free', 'restyle-frozen'])
    assert.ok(files.includes(`${name}.yaml`), name);
});

for (const { path, text } of generatedFiles()) {
  test(`${path} matches the stages (npm run schema writes it)`, async () => {
    assert.is(await readFile(new URL(path, root), 'utf8'), text);
  });
}

test.run();
