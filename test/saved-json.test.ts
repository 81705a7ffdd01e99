import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readRecord } from '../pipeline/matrix/record.ts';
import { readManifest } from '../pipeline/run/manifest.ts';
import { loadExposures } from '../stages/artefacts/exposures.ts';
import { emptyGaussians } from '../stages/artefacts/gaussians.ts';
import { readSavedGaussians, saveGaussians } from '../stages/artefacts/gaussians-file.ts';
import { loadPoses } from '../stages/artefacts/poses.ts';
import type { Scores } from '../stages/artefacts/scores.ts';
import { formatScores, loadScores, saveScores } from '../stages/artefacts/scores.ts';
import type { Style } from '../stages/artefacts/style.ts';
import { loadStyle, saveStyle } from '../stages/artefacts/style.ts';
import type { Gpu } from '../wgsl/core/index.ts';
import { exampleRun } from './helpers/example-run.ts';
import { fakeGpu } from './helpers/fake-stages.ts';
import { scratchFolder } from './helpers/scratch.ts';
import { throwsInput } from './helpers/throws.ts';

const gpu = fakeGpu();

test('scores and style are loaded as they were saved', async () => {
  const folder = scratchFolder();
  const scores: Scores = {
    scores: [{ name: 'psnr', value: 31.123456, unit: 'dB', over: '7 "held-out" views' }],
  };
  await saveScores(gpu, scores, folder);
  assert.equal(await loadScores(gpu, folder), scores);
  assert.is(readFileSync(join(folder, 'scores.json'), 'utf8'), formatScores(scores));
  for (const style of [
    { prompt: 'rococo' },
    { prompt: 'a “gold” robot', model: '/models/b-32' },
  ] as Style[]) {
    await saveStyle(gpu, style, folder);
    assert.equal(await loadStyle(gpu, folder), style);
  }
});

test('a damaged file is refused, with the file, the fault and the stage to run again', async () => {
  const folder = scratchFolder();
  const damage = (file: string, text: string) => writeFileSync(join(folder, file), text);
  await throwsInput(() => loadScores(gpu, folder), `${join(folder, 'scores.json')}: cannot be read (ENOENT)`);
  damage('scores.json', '{"scores": [');
  await throwsInput(
    () => loadScores(gpu, folder),
    /scores\.json:1:\d+: is not JSON/,
    'run again from the score stage',
  );
  damage('scores.json', '{"scores": [{"name": "psnr", "value": "high", "unit": "dB", "over": "1 view"}]}');
  await throwsInput(() => loadScores(gpu, folder), 'scores.json: scores.0.value: ');
  damage('style.json', '{"model": "x"}');
  await throwsInput(() => loadStyle(gpu, folder), 'style.json: prompt: ', 'run again from the stylize stage');
  damage('style.json', '{"prompt": "x", "colour": 1}');
  await throwsInput(() => loadStyle(gpu, folder), 'colour');
});

test('views of one name, and poses that are none, are refused', async () => {
  const folder = scratchFolder();
  const write = (file: string, views: object[]) =>
    writeFileSync(join(folder, file), JSON.stringify({ views }));
  const matrix = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0];
  const viewmat = [...matrix, 0, 0, 0, 1];
  write('exposures.json', [
    { name: 'a', matrix },
    { name: 'b', matrix },
    { name: 'a', matrix },
  ]);
  await throwsInput(() => loadExposures(gpu, folder), 'exposures.json: views.2.name: "a" appears twice');
  write('poses.json', [
    { name: 'a', viewmat },
    { name: 'a', viewmat },
  ]);
  await throwsInput(() => loadPoses(gpu, folder), 'poses.json: views.1.name: "a" appears twice');
  const faults = [
    viewmat.map((value) => 2 * value),
    viewmat.with(0, -1),
    viewmat.with(1, 0.1),
    viewmat.with(12, 1),
  ];
  for (const fault of faults) {
    write('poses.json', [{ name: 'a', viewmat: fault }]);
    await throwsInput(
      () => loadPoses(gpu, folder),
      'poses.json: views.0.viewmat: is not a pose',
      'run again',
    );
  }
});

test('a saved splat with NaN is refused, with the tensor and the Gaussian', async () => {
  const host = emptyGaussians(3, 0);
  // The tensors stand for their buffers.
  const reading = { read: async (values: unknown) => (values as Float32Array).buffer } as unknown as Gpu;
  const path = join(scratchFolder(), 'gaussians.safetensors');
  await saveGaussians(reading, host as never, path);
  assert.equal(await readSavedGaussians(path), host);
  const bytes = readFileSync(path);
  bytes.writeFloatLE(Number.NaN, bytes.length - 4);
  writeFileSync(path, bytes);
  await throwsInput(() => readSavedGaussians(path), path, 'sh has 1, first NaN in Gaussian 2');
});

test('a run.json whose stages have no options, or inputs that are none, is refused', async () => {
  const folder = await exampleRun(scratchFolder());
  const path = join(folder, 'run.json');
  const run = JSON.parse(readFileSync(path, 'utf8'));
  const refuses = async (changes: object, text: string) => {
    const [first, ...others] = run.stages;
    writeFileSync(path, JSON.stringify({ ...run, stages: [first, { ...others[0], ...changes }] }));
    await throwsInput(() => readManifest(folder), path, text);
  };
  await refuses({ key: '../..' }, 'stages.1.key: expected 64 hex digits');
  await refuses({ options: null }, 'stages.1.options: expected a map of options');
  await refuses({ options: ['steps'] }, 'stages.1.options: expected a map of options');
  await refuses({ identity: { inputs: { dataset: null } } }, 'stages.1.identity.inputs: expected the stage');
});

test('a matrix.json whose members have other types, or lead out of its folder, is refused', async () => {
  const folder = scratchFolder();
  const cell = { name: 'a', values: { prompt: 'x' }, folder: 'a', status: 'done', scores: [] };
  const about = {
    format: 1,
    status: 'done',
    name: 'm',
    file: '/p.yaml',
    command: '',
    cwd: '/',
    axes: {},
    jobs: 1,
    seconds: 1,
  };
  const whole = { ...about, set: [], cells: [cell] };
  const read = (changes: object) => {
    writeFileSync(join(folder, 'matrix.json'), JSON.stringify({ ...whole, ...changes }));
    return readRecord(folder);
  };
  assert.equal(await read({}), whole);
  await throwsInput(() => read({ set: undefined }), 'matrix.json: set: ');
  await throwsInput(() => read({ cells: [{ ...cell, folder: '../a' }] }), 'cells.0.folder: leads out');
  await throwsInput(() => read({ cells: [{ ...cell, status: 'odd' }] }), 'cells.0.status: ');
});

test.run();
