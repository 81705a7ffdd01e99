import { readFile } from 'node:fs/promises';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import * as api from '../pipeline/index.ts';

/** The interface of scripts: adding or removing a name is a decision, repeated here. */
const SURFACE = {
  functions: [
    'blend',
    'collect',
    'defineStage',
    'exportPly',
    'exportSplat',
    'formatScores',
    'init',
    'load',
    'loadGaussians',
    'lookAt',
    'openGpu',
    'orbit',
    'planRun',
    'readMatrix',
    'readPipeline',
    'releaseDataset',
    'releaseFrames',
    'releaseGaussians',
    'repeatRun',
    'runMatrix',
    'runPlan',
    'saveGaussians',
    'score',
    'sfm',
    'stylize',
    'train',
    'trainJointly',
    'trainScene',
    'verifyRun',
  ],
  classes: ['GpuError', 'InputError', 'Stopped', 'Store'],
  values: ['silent', 'stages'],
};

test('the public API is exactly this', () => {
  const kindOf = (value: unknown) =>
    typeof value !== 'function' ? 'values' : /^class\b/.test(String(value)) ? 'classes' : 'functions';
  const found: Record<string, string[]> = { functions: [], classes: [], values: [] };
  for (const [name, value] of Object.entries(api)) found[kindOf(value)].push(name);
  for (const names of Object.values(found)) names.sort();
  assert.equal(found, SURFACE);
});

test('the stages are these', () => {
  assert.equal(
    api.stages.map(({ name }) => name),
    ['sfm', 'load', 'init', 'train', 'stylize', 'blend', 'orbit', 'score', 'export'],
  );
});

test('the package offers one command and two modules', async () => {
  const manifest = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8'));
  assert.equal(manifest.bin, { splatline: 'pipeline/splatline.mjs' });
  assert.equal(Object.keys(manifest.exports), ['.', './gpu', './schema.json', './package.json']);
});

test.run();
