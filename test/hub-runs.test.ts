/** Models of the Hugging Face Hub by name in runs and commands: keys, run.json, waiting processes. */
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import * as z from 'zod';
import { readPipeline } from '../pipeline/file/read.ts';
import { readManifest } from '../pipeline/run/manifest.ts';
import { type FetchOptions, fetchModel, withPinnedModels } from '../pipeline/run/models.ts';
import { runPlan } from '../pipeline/run/runner.ts';
import { planRun } from '../pipeline/run/stage-plan.ts';
import { checkClip, clipReads } from '../stages/clip/check.ts';
import { clipTarget } from '../stages/clip/options.ts';
import { defineStage } from '../stages/stage.ts';
import { fakeFormats, fakeGpu, fakeStages } from './helpers/fake-stages.ts';
import { answering, commitOf, hubTest, tinyModel } from './helpers/hub.ts';
import { put, scratchFolder } from './helpers/scratch.ts';
import { $ } from './helpers/shell.ts';
import { throwsInput } from './helpers/throws.ts';

const COMMAND = fileURLToPath(new URL('../pipeline/splatline.mjs', import.meta.url));
const WEIGHTS = 'model.safetensors';
const FILES = Object.keys(tinyModel()).sort();

const get = (name = 'test/tiny', options: FetchOptions & { update?: boolean } = {}) =>
  fetchModel(name, options);
const splatline = (...args: string[]) => $({ nothrow: true })`${process.execPath} ${COMMAND} ${args}`;

const ran: string[] = [];
/** A stage with a model: gives the scores that the fake stages know. */
const judge = defineStage({
  name: 'judge',
  summary: 'judges',
  options: z.strictObject({ model: clipTarget.model }),
  needs: ['gaussians'],
  gives: ['scores'],
  reads: ({ model }) => clipReads(model),
  async run(_gpu, _inputs, { model }) {
    ran.push(String(model));
    return { scores: { scores: [] } };
  },
});
const REGISTRY = [...fakeStages.slice(0, 2), judge];

async function judgePlan(model: string, folder = scratchFolder()) {
  mkdirSync(join(folder, 'capture'), { recursive: true });
  put(
    folder,
    'p.yaml',
    `name: p\nstages:\n  - load: { colmap: capture }\n  - init:\n  - judge: { model: ${model} }\n`,
  );
  return readPipeline('p.yaml', { cwd: folder, registry: REGISTRY });
}

hubTest('a run fetches first, and has the commit in its key, its stages and run.json', async (hub) => {
  const out = scratchFolder();
  const run = async (model: string) => {
    await runPlan(await judgePlan(model), { out, gpu: fakeGpu(), formats: fakeFormats });
    const { manifest } = await readManifest(out);
    return manifest.stages.find(({ id }) => id === 'judge')!;
  };
  const plan = await judgePlan('test/tiny');
  await throwsInput(
    () => planRun(plan, { out, gpu: fakeGpu(), formats: fakeFormats }),
    'npx splatline models add test/tiny',
  );
  const first = await run('test/tiny');
  const pinned = `test/tiny@${commitOf(1)}`;
  assert.equal(ran, [pinned]);
  assert.equal(first.options, { model: pinned });
  assert.equal(first.identity.options as object, { model: pinned });
  const config = `hub:models--test--tiny/snapshots/${commitOf(1)}/config.json`;
  assert.ok(first.identity.files[config], Object.keys(first.identity.files).join());
  assert.is((await run(`test/tiny@${commitOf(1)}`)).key, first.key, 'the same commit by another name');
  hub.commit = commitOf(2);
  assert.is((await run('test/tiny')).resolvedBy, 'cached', 'the cache decides, not the hub');
  await get('test/tiny', { update: true });
  const second = await run('test/tiny');
  assert.not.equal(second.key, first.key);
  assert.equal(ran, [pinned, `test/tiny@${commitOf(2)}`]);
});

hubTest('a missing model ends a run before any stage', async (hub) => {
  hub.fault = answering(404);
  ran.length = 0;
  const plan = await judgePlan('test/none');
  const out = join(scratchFolder(), 'out');
  await throwsInput(
    () => runPlan(plan, { out, gpu: fakeGpu(), formats: fakeFormats }),
    /^test\/none: .+ 404/,
  );
  assert.equal(ran, []);
  assert.throws(() => readdirSync(out));
});

hubTest('a folder that exists wins over a name, and `demo` is the model of the package', async (hub) => {
  const folder = scratchFolder();
  mkdirSync(join(folder, 'test/tiny'), { recursive: true });
  const options = async (model: string) => (await judgePlan(model, folder)).stages.at(-1)!.options;
  assert.equal(await options('test/tiny'), { model: join(folder, 'test/tiny') });
  assert.equal(await options('test/other@v1.0'), { model: 'test/other@v1.0' });
  assert.equal(await options('demo'), { model: 'demo' });
  const error = await options('demos').catch((error: Error) => error);
  assert.match(String(error), /no such folder: .+demos\. A CLIP model is owner\/name/);
  const plan = await judgePlan('demo', folder);
  assert.equal(await withPinnedModels(plan, { stages: plan.stages, fetch: {} }), plan);
  assert.is((await checkClip('demo')).name, 'demo-clip');
  assert.equal(hub.requests, []);
});

hubTest('the commands add, list and remove; two processes share one download', async (hub) => {
  hub.fault = (url, _, response) => {
    if (!url.endsWith(WEIGHTS)) return undefined;
    setTimeout(() => response.end(hub.files[WEIGHTS]), 1500); // both processes are at work by then
    return true;
  };
  const [first, second] = await Promise.all([
    splatline('models', 'add', 'test/tiny'),
    splatline('models', 'add', 'test/tiny'),
  ]);
  for (const { exitCode, stdout, stderr } of [first, second]) {
    assert.is(exitCode, 0, stderr);
    assert.match(stdout, `test/tiny@${commitOf(1)} is in ${process.env.HF_HOME}`);
    assert.is(stderr, '');
  }
  assert.match(first.stdout + second.stdout, /test\/tiny {2}[█░]{20} {2}.+ of 112 KiB/);
  assert.match(first.stdout + second.stdout, /process \d+ is fetching test\/tiny; waiting until it ends/);
  assert.equal([...hub.transfers].sort(), FILES);
  const { stdout } = await splatline('models', 'list');
  assert.match(stdout, /^test\/tiny@1111111 \(main\) {2}112 KiB {2}\/.+\n$/);
  const [model] = JSON.parse((await splatline('models', 'list', '--json')).stdout);
  assert.equal(
    { ...model, folder: '' },
    { name: 'test/tiny', commit: commitOf(1), revisions: ['main'], bytes: model.bytes, folder: '' },
  );
  assert.match(
    (await splatline('doctor')).stdout,
    /ok +models of the Hub: test\/tiny@1111111 \(main\), 112 KiB/,
  );
  assert.match((await splatline('models', 'remove', 'test/tiny')).stdout, /models--test--tiny is removed\n$/);
  assert.match((await splatline('models', 'list')).stdout, /^none in .+ npx splatline models add /);
  const again = await splatline('models', 'remove', 'test/tiny');
  assert.is(again.exitCode, 2);
  assert.match(again.stderr, /^test\/tiny: is not in the cache/);
});

test.run();
