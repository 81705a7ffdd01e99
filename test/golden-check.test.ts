import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { checkGolden, comparePlans } from '../pipeline/golden/check.ts';
import { encodePicture, pictureHash } from '../pipeline/golden/picture.ts';
import { TOLERANCE } from '../pipeline/golden/record.ts';
import { type Golden, goldenFolder, readGolden } from '../pipeline/golden/recording.ts';
import { failures, goldenReport, junitXml, reportText, summary } from '../pipeline/golden/report.ts';
import { ROOT } from './golden/bench.ts';
import { adapter, camera, chain, golden } from './golden/example.ts';
import { FAULTS } from './golden/faults.ts';
import { put, scratchFolder } from './helpers/scratch.ts';
import { throwsInput } from './helpers/throws.ts';

/** A recording of a pipeline with the stage `before`; its file has `after`. */
function edited(before: string, after: string, more: Partial<Golden> = {}): string {
  const folder = scratchFolder();
  const text = (train: string) => `stages:
  - load: { colmap: ${JSON.stringify(resolve('scenes/playbot'))} }
  - init: { from: points }
${train}`;
  const file = put(folder, 'fox.yaml', text(after));
  const splat = new Uint8Array(8);
  const json: Golden = {
    format: 'splatline golden 1',
    set: [],
    cwd: '.',
    versions: { splatline: '0.1.0', node: process.version, webgpu: '0' },
    adapter,
    splat: {
      stage: 'init',
      count: 1,
      bytes: 8,
      sha256: createHash('sha256').update(splat).digest('hex'),
    },
    background: [0, 0, 0],
    frames: [{ name: 'view-a', sha256: pictureHash(golden), camera }],
    tolerance: TOLERANCE,
    chain,
    ...more,
  };
  put(folder, 'fox.golden/golden.json', JSON.stringify(json));
  put(folder, 'fox.golden/pipeline.yaml', text(before));
  put(folder, 'fox.golden/splat.safetensors', splat);
  put(folder, 'fox.golden/frames/view-a.png', encodePicture(golden));
  return file;
}

const train = (options: string) => `  - train: { ${options} }\n`;

test('an edited pipeline file is the only verdict, and nothing runs', async () => {
  const sentences = [
    [train('steps: 20'), train('steps: 22'), 'train.steps 20 → 22'],
    [train('steps: 20'), `${train('steps: 20')}seed: 7\n`, 'seed 42 → 7'],
    [train('steps: 20'), train('steps: 20, rates: { means: 0.001 }'), 'train.rates.means '],
    [train('steps: 20'), '', 'stages ["load","init","train"] → ["load","init"]'],
  ];
  for (const [before, after, expected] of sentences) {
    const file = edited(before, after);
    const checked = await checkGolden(file);
    assert.is(failures(checked).length, 1);
    const text = summary(checked);
    assert.ok(text.startsWith(`${file}: the file changed: `), text);
    assert.match(text, expected);
    assert.match(text, /; record again if this is intended$/);
    assert.ok(reportText(checked).includes(expected));
    assert.match(junitXml(checked), /tests="1" failures="1"/);
    assert.match(goldenReport(checked).text, 'the file changed');
  }
});

test('comments, defaults and options that --set overrides do not count as changes of the file', async () => {
  // The recorded splat of this test is no splat: the check gets past the file, and stops there.
  for (const [before, after, set] of [
    [train('steps: 20'), `  # twenty\n${train('steps: 20, start: strategy')}`, []],
    [train('steps: 20'), train('steps: 30'), ['train.steps=10']],
    // An option of another version: the results decide.
    [train('stepps: 20'), train('steps: 20'), []],
  ] as const)
    await throwsInput(() => checkGolden(edited(before, after, { set: [...set] })), 'is not a saved splat');
});

test('a value of the environment is an input: another value does not change the file', async () => {
  const stage = train(`steps: "\${env.GOLDEN_STEPS}"`);
  process.env.GOLDEN_STEPS = '22';
  try {
    const file = edited(stage, stage);
    const { plan, edits } = await comparePlans(file, await readGolden(file));
    assert.is((plan.stages[2].options as { steps: number }).steps, 22);
    assert.equal(edits, []);
  } finally {
    delete process.env.GOLDEN_STEPS;
  }
});

test('other versions, and a recorded file that cannot be compared, are notes', async () => {
  const file = edited(train('steps: 20'), train('steps: 30'));
  const golden = await readGolden(file);
  const { notes } = await comparePlans(file, golden);
  assert.match(notes.join('; '), 'webgpu 0 → ');
  await rm(join(goldenFolder(file), 'pipeline.yaml'));
  const { edits, notes: others } = await comparePlans(file, golden);
  assert.equal(edits, []);
  assert.match(others.at(-1)!, 'the recorded pipeline.yaml is missing, or not valid');
});

test('each fault of golden-faults.test.ts matches one place in the sources', () => {
  for (const { name, file, from } of FAULTS)
    assert.is(readFileSync(join(ROOT, file), 'utf8').split(from).length - 1, 1, name);
});

test('without a recording, check names the command that records; a damaged one is an error', async () => {
  const folder = scratchFolder();
  const file = put(folder, 'fox.yaml', '');
  await throwsInput(() => readGolden(file), /no golden renders were recorded/, `golden record ${file}`);
  assert.is(goldenFolder(file), `${folder}/fox.golden`);
  const json = put(folder, 'fox.golden/golden.json', '{"format":"splatline golden 1"}');
  await throwsInput(() => readGolden(file), json, /set/);
  assert.is(readFileSync(json, 'utf8').length, 31, 'the file is unchanged');
});

test.run();
