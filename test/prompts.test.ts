import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readPrompts, resolvePrompt } from '../stages/clip/prompts.ts';
import { InputError } from '../wgsl/core/index.ts';

let folder: string;
test.before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'prompts-'));
});
test.after(() => rm(folder, { recursive: true }));

async function library(yaml: string): Promise<string> {
  const path = join(folder, 'library.yaml');
  await writeFile(path, yaml);
  return path;
}

test('a name stands for its text, anything else for itself', async () => {
  const path = await library('gold: made of gold\nnight:\n  text: the city at night\n  source: somewhere\n');
  assert.equal(await resolvePrompt('gold', path), { name: 'gold', text: 'made of gold' });
  assert.equal(await resolvePrompt(' night ', path), { name: 'night', text: 'the city at night' });
  assert.equal(await resolvePrompt('a red chair', path), { name: 'a red chair', text: 'a red chair' });
  assert.equal(
    (await readPrompts(path)).map(({ name }) => name),
    ['gold', 'night'],
  );
});

test('broken libraries and empty prompts are refused, with their place', async () => {
  for (const [yaml, pattern] of [
    ['gold: [', /library\.yaml:\d+:\d+: /],
    ['gold: 3', /library\.yaml: gold: /],
    ['gold:\n  source: x', /library\.yaml: gold/],
    ['- gold', /library\.yaml: /],
    ['a: &a x\nb: *a', /library\.yaml/],
  ] as const) {
    const error = await resolvePrompt('gold', await library(yaml)).catch((reason: unknown) => reason);
    assert.instance(error, InputError, yaml);
    assert.match((error as Error).message, pattern);
  }
  for (const [prompt, path] of [
    ['  ', await library('')],
    ['x', join(folder, 'none.yaml')],
  ]) {
    assert.instance(await resolvePrompt(prompt, path).catch((reason: unknown) => reason), InputError);
  }
});

test.run();
