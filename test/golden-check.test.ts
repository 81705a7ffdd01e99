import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { checkGolden, comparePlans } from '../pipeline/golden/check.ts';
import { encodePicture, pictureHash } from '../pipeline/golden/picture.ts';
import { MARGIN_FACTOR } from '../pipeline/golden/record.ts';
import { DEFAULT_TOLERANCE, type Golden, goldenFolder, readGolden } from '../pipeline/golden/recording.ts';
import { failures, junitXml, reportPage, reportText, summary } from '../pipeline/golden/report.ts';
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
    name: 'fox',
    seed: 42,
    set: [],
    cwd: '.',
    versions: { splatline: '0.1.0', node: process.version, webgpu: '0' },
    adapter,
    splat: {
      stage: 'init',
      count: 1,
      shDegree: 0,
      bytes: 8,
      sha256: createHash('sha256').update(splat).digest('hex'),
    },
    background: [0, 0, 0],
    frames: [{ name: 'view-a', sha256: pictureHash(golden), camera }],
    tolerance: DEFAULT_TOLERANCE,
    margin: { factor: MARGIN_FACTOR, worst: { max: 0, mean: 0, ssim: 1 }, renders: [] },
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
    assert.is(failures(checked.report).length, 1);
    const text = summary(checked.report);
    assert.ok(text.startsWith(`${file}: the file changed: `), text);
    assert.match(text, expected);
    assert.match(text, /; record again if this is intended$/);
    assert.ok(reportText(checked.report).includes(expected));
    assert.match(junitXml(checked.report), /tests="1" failures="1"/);
    assert.match(reportPage(checked), 'the file changed');
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

test('a value of the environment is an input: another value is noted, and results decide', async () => {
  const stage = train(`steps: "\${env.GOLDEN_STEPS}"`);
  const plansAt = async (steps: string, recorded: Golden['env']) => {
    process.env.GOLDEN_STEPS = steps;
    const file = edited(stage, stage, { env: recorded });
    return comparePlans(file, await readGolden(file));
  };
  try {
    const { plan, edits, notes } = await plansAt('22', { GOLDEN_STEPS: '20' });
    assert.is((plan.stages[2].options as { steps: number }).steps, 22);
    assert.equal(edits, []);
    assert.ok(notes.includes('env.GOLDEN_STEPS 20 → 22'), notes.join('; '));
    for (const recorded of [{ GOLDEN_STEPS: '22' }, undefined])
      assert.not.match((await plansAt('22', recorded)).notes.join('; '), 'GOLDEN_STEPS');
  } finally {
    delete process.env.GOLDEN_STEPS;
  }
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
  await throwsInput(() => readGolden(file), json, /name/);
  assert.is(readFileSync(json, 'utf8').length, 31, 'the file is unchanged');
});

test.run();
