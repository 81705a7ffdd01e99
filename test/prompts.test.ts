import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readPrompts, resolvePrompt, warnOfPrompt } from '../stages/clip/prompts.ts';
import { DEMO_CLIP } from '../stages/clip/resolve.ts';
import { InputError } from '../wgsl/core/index.ts';
import { recordingReport } from './helpers/report.ts';

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

test('a name is replaced by its text, any other text is used as it is', async () => {
  const path = await library('gold: made of gold\nnight:\n  text: the city at night\n  source: somewhere\n');
  assert.equal(await resolvePrompt('gold', path), { name: 'gold', text: 'made of gold' });
  assert.equal(await resolvePrompt(' night ', path), { name: 'night', text: 'the city at night' });
  assert.equal(await resolvePrompt('a red chair', path), { name: 'a red chair', text: 'a red chair' });
  assert.equal(
    (await readPrompts(path)).map(({ name }) => name),
    ['gold', 'night'],
  );
});

test('broken libraries and empty prompts are refused, with their position', async () => {
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

const warningsOf = async (nameOrText: string, model = DEMO_CLIP) => {
  const report = recordingReport();
  await warnOfPrompt(await resolvePrompt(nameOrText), model, report);
  return report.warnings;
};

test('a word near a name of the library is reported with that name, and used as the text', async () => {
  for (const [word, name] of [
    ['rococco', 'rococo'],
    ['Watercolor', 'watercolor'],
    ['nightcity', 'night-city'],
  ]) {
    const [warning] = await warningsOf(word, folder);
    assert.match(
      warning,
      `prompt "${word}" is not a name in the prompt library; the nearest name is "${name}". It is used as the text itself`,
    );
    assert.is((await resolvePrompt(word)).text, word);
  }
  for (const text of ['rococo', 'robot', 'a rococco garden'])
    assert.equal(await warningsOf(text, folder), [], text);
});

test('words that the demo model was not trained on are listed; a model without a word list gives no warning', async () => {
  assert.match(
    (await warningsOf('a Zebra, painted by Monet: a zebra'))[0],
    /not trained on these words of the prompt: zebra, monet\. .*set `model` to a full CLIP model/,
  );
  assert.equal(await warningsOf('a zebra by monet', folder), []);
  for (const { name } of await readPrompts()) assert.equal(await warningsOf(name), [], name);
});

test.run();
