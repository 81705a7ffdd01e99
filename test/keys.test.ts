/** The dependencies of a stage's key. */
import { cp, readFile, rename, symlink } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import * as z from 'zod';
import { readPipeline } from '../pipeline/file/read.ts';
import { hashFile } from '../pipeline/hash.ts';
import {
  canonical,
  hashFiles,
  identities,
  type KeyedStage,
  keyOf,
  stageSeeds,
} from '../pipeline/keys/identity.ts';
import { stages } from '../stages/index.ts';
import { defineStage, type Stage } from '../stages/stage.ts';
import { type AdapterReport, type Gpu, openGpu } from '../wgsl/core/index.ts';
import { tinyCapture, writeCapture } from './helpers/colmap.ts';
import { fakeStages } from './helpers/fake-stages.ts';
import { put, scratchFolder } from './helpers/scratch.ts';
import { $ } from './helpers/shell.ts';

const root = fileURLToPath(new URL('../', import.meta.url));
const MODEL = join(root, 'test/data/clip-tiny');

const ADAPTER: AdapterReport = {
  vendor: 'mesa',
  architecture: 'software',
  device: 'llvmpipe',
  description: 'llvmpipe: Mesa 25.0.7',
  features: ['shader-f16'],
  subgroupMinSize: 8,
  subgroupMaxSize: 8,
  software: true,
  cpu: 'one',
};

/** The kernels that `openGpu` chooses for this adapter. */
const KERNELS: Pick<Gpu, 'target' | 'hasMatrices'> = { target: 'cpu', hasMatrices: false };

const PLACE = { file: 'p.yaml' };

const FILE = `name: fox
stages:
  - load: { colmap: capture }
  - init:
  - train: { steps: 300 }
  - stylize: { prompt: rococo }
  - orbit:
  - score:
`;

interface Change {
  set?: string[];
  file?: string;
  adapter?: Partial<AdapterReport>;
  kernels?: Partial<typeof KERNELS>;
  registry?: readonly Stage[];
}

/** A folder with a capture and a pipeline file; `keys` reads it again and computes its keys. */
async function bench() {
  const folder = scratchFolder();
  await rename(await writeCapture(tinyCapture()), join(folder, 'capture'));
  const keys = async (
    { set, file = FILE, adapter, kernels, registry = stages }: Change = {},
    cwd = folder,
  ) => {
    put(cwd, 'p.yaml', file);
    const plan = await readPipeline('p.yaml', { set, cwd, registry });
    return identities(plan, { ...KERNELS, ...kernels, adapter: { ...ADAPTER, ...adapter } });
  };
  return { folder, keys };
}

/** Ids of the stages whose keys differ. */
const changed = (before: readonly KeyedStage[], now: readonly KeyedStage[]) =>
  now.flatMap(({ id, key }, i) => (before[i].key === key ? [] : [id]));

test('a key is the hash of the identity, and the same each time', async () => {
  const { keys } = await bench();
  const first = await keys();
  for (const { key, identity } of first) {
    assert.match(key, /^[0-9a-f]{64}$/);
    assert.is(key, keyOf(identity));
    assert.equal(identity, JSON.parse(JSON.stringify(identity)), 'it survives JSON');
  }
  assert.equal(changed(first, await keys()), []);
  assert.is(new Set(first.map(({ key }) => key)).size, first.length);
});

test('an option changes its stage and what depends on it, nothing else', async () => {
  const { keys } = await bench();
  const before = await keys();
  const after = async (set: string) => changed(before, await keys({ set: [set] }));
  assert.equal(await after('orbit.frames=3'), ['orbit', 'score']);
  assert.equal(await after('stylize.prompt=moss'), ['stylize', 'orbit', 'score']);
  const around = (of: string) => `stylize.${of}={sphere: {center: [0, 0, 0], radius: 1}}`;
  assert.equal(await after(around('only')), ['stylize', 'orbit', 'score']);
  assert.equal(await after(around('losses.photo.keep')), ['stylize', 'orbit', 'score']);
  assert.equal(await after('train.steps=301'), ['train', 'stylize', 'orbit', 'score']);
  assert.equal(await after('train.steps=300'), [], 'as it was');
  assert.equal(
    await after('load.holdout=3'),
    before.map(({ id }) => id),
  );
  assert.equal(await after('score.metrics=[psnr]'), ['score']);
});

test('another strength of a restyling reruns neither training nor restyling', async () => {
  const { keys } = await bench();
  const file = FILE.replace('  - orbit:', '  - blend: { strength: 0.5 }\n  - orbit:');
  const before = await keys({ file });
  const after = await keys({ file, set: ['blend.strength=0.7'] });
  assert.equal(changed(before, after), ['blend', 'orbit', 'score']);
});

test('the seed, the adapter, its CPU and the kernels change every stage', async () => {
  const { keys } = await bench();
  const before = await keys();
  const all = before.map(({ id }) => id);
  assert.equal(changed(before, await keys({ set: ['seed=1'] })), all);
  assert.equal(changed(before, await keys({ adapter: { description: 'llvmpipe: Mesa 26.0.0' } })), all);
  assert.equal(changed(before, await keys({ adapter: { cpu: 'another' } })), all);
  assert.equal(changed(before, await keys({ adapter: { features: [] } })), all);
  assert.equal(changed(before, await keys({ kernels: { target: 'portable' } })), all);
  assert.equal(changed(before, await keys({ kernels: { hasMatrices: true } })), all);
});

test('a key depends on the bytes of a file, not its time; a default written out is the default', async () => {
  const { folder, keys } = await bench();
  const before = await keys();
  const [image] = tinyCapture().images;
  const path = join(folder, 'capture', 'images', image.name);
  const bytes = await readFile(path);
  put(folder, `capture/images/${image.name}`, bytes);
  assert.equal(changed(before, await keys()), []);
  put(folder, 'capture/images/not-registered.png', 'x');
  assert.equal(changed(before, await keys({ set: ['load.holdout=8'] })), []);
  bytes[bytes.length - 1] ^= 1;
  put(folder, `capture/images/${image.name}`, bytes);
  const now = await keys();
  assert.equal(
    changed(before, now),
    before.map(({ id }) => id),
  );
  const name = `colmap:images/${image.name}`;
  assert.not.equal(now[0].identity.files[name], before[0].identity.files[name]);
  assert.is(now[0].places[name], path);
});

test('neither the folder of a capture nor the names of the file and its stages change a key', async () => {
  const { folder, keys } = await bench();
  const before = await keys();
  const elsewhere = join(scratchFolder(), 'a/b');
  await cp(folder, elsewhere, { recursive: true });
  const moved = await keys({}, elsewhere);
  assert.equal(changed(before, moved), []);
  assert.is(moved[0].places['colmap:sparse/0/images.bin'], join(elsewhere, 'capture/sparse/0/images.bin'));
  assert.is(
    (moved[0].options as { colmap: string }).colmap,
    join(elsewhere, 'capture'),
    'the stage still finds it',
  );
  const file = FILE.replace('name: fox', 'name: owl').replace('steps: 300', 'id: teach, steps: 300');
  const renamed = await keys({ file });
  assert.is(renamed[2].id, 'teach');
  assert.equal(changed(before, renamed), []);
  await rename(join(elsewhere, 'capture'), join(elsewhere, 'scan'));
  assert.equal(changed(before, await keys({ file: FILE.replace('capture', 'scan') }, elsewhere)), []);
});

test('a clone of the package elsewhere gives the same keys', async () => {
  const clone = join(scratchFolder(), 'clone');
  for (const part of ['package.json', 'pipeline', 'stages', 'wgsl', 'prompts', 'scenes']) {
    await cp(join(root, part), join(clone, part), { recursive: true });
  }
  await symlink(join(root, 'node_modules'), join(clone, 'node_modules'));
  const script = `
    const { readPipeline } = await import('./pipeline/file/read.ts');
    const { identities } = await import('./pipeline/keys/identity.ts');
    const { stages } = await import('./stages/index.ts');
    const plan = await readPipeline('scenes/demo.yaml', { registry: stages });
    console.log(JSON.stringify((await identities(plan, {})).map(({ key }) => key)));`;
  const keysIn = async (cwd: string) => {
    const { stdout } = await $({
      cwd,
    })`${process.execPath} --import tsx --input-type=module --eval ${script}`;
    return JSON.parse(stdout) as string[];
  };
  const [here, there] = await Promise.all([keysIn(root), keysIn(clone)]);
  assert.is(here.length, 6);
  assert.equal(there, here);
});

test('the model’s path changes the key of a stage that passes it on, elsewhere only its contents do', async () => {
  const { folder, keys } = await bench();
  await cp(MODEL, join(folder, 'one'), { recursive: true });
  await cp(MODEL, join(folder, 'two'), { recursive: true });
  const clip = (model: string) => keys({ set: [`train.clip={prompt: moss, model: ${model}, mode: paper}`] });
  assert.equal(changed(await clip('one'), await clip('two')), []);
  const joint = (model: string) =>
    keys({ set: [`train.clip={prompt: moss, model: ${model}, mode: balanced}`] });
  const ids = ['train', 'stylize', 'orbit', 'score'];
  assert.equal(changed(await joint('one'), await joint('two')), ids, 'the style names its folder');
  const style = (model: string) => keys({ set: [`stylize.model=${model}`] });
  assert.equal(changed(await style('one'), await style('two')), ['stylize', 'orbit', 'score']);
  const score = (model: string) => keys({ set: [`score.model=${model}`] });
  assert.equal(changed(await score('one'), await score('two')), ['score'], 'the scores name its folder');
  const before = await clip('one');
  put(folder, 'one/config.json', `${await readFile(join(folder, 'one/config.json'), 'utf8')} `);
  const now = await clip('one');
  assert.is(changed(before, now)[0], 'train');
  assert.ok(now[2].identity.files['clip.model:config.json']);
});

test('an input comes from the nearest earlier stage that gives it', async () => {
  const { keys } = await bench();
  const twice = FILE.replace(
    '  - orbit:',
    '  - stylize: { id: again, prompt: moss }\n  - orbit: { id: orbit }',
  );
  const keyed = await keys({ file: twice });
  const inputsOf = (id: string) => {
    const { inputs, identity } = keyed.find((stage) => stage.id === id)!;
    for (const [name, { key }] of inputs) {
      assert.is(identity.inputs[name]?.key, key);
      assert.ok(keyed.some((stage) => stage.key === key));
    }
    return Object.fromEntries([...inputs].map(([name, giver]) => [name, giver.id]));
  };
  assert.equal(inputsOf('load'), {});
  assert.equal(inputsOf('train'), { dataset: 'load', gaussians: 'init' });
  assert.equal(inputsOf('stylize'), { dataset: 'load', gaussians: 'train' }, 'no base yet');
  assert.equal(inputsOf('again'), { dataset: 'load', gaussians: 'stylize', base: 'stylize' });
  assert.equal(inputsOf('score'), {
    dataset: 'load',
    gaussians: 'again',
    base: 'again',
    style: 'again',
    frames: 'orbit',
  });
});

test('the second of two stages of a kind draws other random numbers, the first those of the run', async () => {
  const { keys } = await bench();
  const two = FILE.replace('  - orbit:', '  - stylize: { id: again, prompt: rococo }\n  - orbit:');
  const seeds = (await keys({ file: two })).map(({ seed, identity }) => {
    assert.is(identity.seed, seed);
    return seed;
  });
  assert.equal(seeds.filter((seed) => seed === 42).length, 6);
  assert.not.equal(seeds[4], 42);
  const seedsOf = (names: string) =>
    stageSeeds(
      42,
      [...names].map((name) => ({ id: name, stage: { ...stages[0], name }, options: {}, place: PLACE })),
    );
  const [first, second, third] = seedsOf('aaa');
  assert.is(new Set([first, second, third]).size, 3);
  assert.equal(seedsOf('aabac'), [first, second, 42, third, 42], 'other stages do not count');
  assert.ok([second, third].every((seed) => Number.isInteger(seed) && seed >= 0 && seed < 2 ** 32));
});

test('the code is that of the stage and of saving its results', async () => {
  const { keys } = await bench();
  const [load, , train, , orbit] = await keys();
  assert.ok(train.identity.code['wgsl/splat/project.wgsl']);
  assert.ok(train.identity.code['stages/optimizer/optimizer.ts']);
  assert.not.ok(load.identity.code['wgsl/splat/project.wgsl']);
  assert.not.ok(orbit.identity.code['stages/train/stage.ts']);
  for (const { identity } of [load, train, orbit]) {
    assert.is(
      identity.code['stages/artefacts/formats.ts'],
      (await hashFile(join(root, 'stages/artefacts/formats.ts'))).sha256,
    );
    assert.ok(identity.code['wgsl/core/kernel.ts']);
    assert.ok(identity.packages.splatline && identity.packages.webgpu);
  }
  assert.ok(
    Object.keys(load.identity.packages).some((name) => name.startsWith('@img/sharp-')),
    'the decoder itself',
  );
  assert.is(train.identity.runtime.node, process.versions.node.split('.')[0]);
});

test('a stage without a module has the text of its function in its key, and every file of its paths', async () => {
  const folder = scratchFolder();
  put(folder, 'data/a.txt', 'a');
  put(folder, 'data/deep/b.txt', 'b');
  const options = z.strictObject({
    from: z.union([z.literal('demo'), z.string().meta({ path: 'folder' })]),
    table: z.array(z.number()).default([]),
  });
  const stageThat = (run: Stage['run']) =>
    defineStage({ name: 'own', summary: '', options, needs: [], gives: [], run }) as Stage;
  const keysOf = async (stage: Stage, from = join(folder, 'data')) => {
    const planned = { id: 'own', stage, options: { from, table: [1, 2] }, place: PLACE };
    return (await identities({ seed: 1, stages: [planned] }, { ...KERNELS, adapter: ADAPTER }))[0];
  };
  const one = await keysOf(stageThat(async () => ({})));
  assert.equal(Object.keys(one.identity.files), ['from:a.txt', 'from:deep/b.txt']);
  assert.equal(one.identity.options, { from: '<folder>', table: [1, 2] });
  assert.is((await keysOf(stageThat(async () => ({})))).key, one.key);
  const other = async () => ({ scores: { scores: [] } });
  assert.not.equal((await keysOf(stageThat(other))).key, one.key);
  const named = await keysOf(
    stageThat(async () => ({})),
    'demo',
  );
  assert.equal(named.identity.options, { from: 'demo', table: [1, 2] });
  put(folder, 'data/deep/b.txt', 'changed');
  assert.not.equal((await keysOf(stageThat(async () => ({})))).key, one.key);
  const reading: Stage = {
    ...stageThat(async () => ({})),
    reads: async () => ({ files: [join(folder, 'gone')] }),
  };
  try {
    await keysOf(reading);
    assert.unreachable();
  } catch (error) {
    assert.is((error as Error).name, 'InputError');
    assert.match((error as Error).message, /gone: cannot be read \(ENOENT\)/);
  }
});

test('the stages of the tests have keys', async () => {
  const { keys } = await bench();
  const file = FILE.replace('  - orbit:\n', '');
  const before = await keys({ file, registry: fakeStages });
  const after = await keys({ file, registry: fakeStages, set: ['train.steps=7'] });
  assert.equal(changed(before, after), ['train', 'stylize', 'score']);
});

test('canonical sorts members and refuses values that JSON would lose', () => {
  const value = { b: 1, a: { d: undefined, c: [[1, 2], null, true] } };
  assert.is(JSON.stringify(canonical(value)), '{"a":{"c":[[1,2],null,true]},"b":1}');
  assert.is(JSON.stringify(canonical(Object.assign(Object.create(null), { x: 'é' }))), '{"x":"é"}');
  for (const lost of [
    Number.NaN,
    Number.POSITIVE_INFINITY,
    () => {},
    new Map(),
    Uint8Array.of(1),
    1n,
    new Date(0),
    [undefined],
  ]) {
    assert.throws(() => canonical({ a: lost }, 'x'), /^x\.a(\[0\])? is .*, which a key cannot contain$/);
  }
});

test('files of any size are hashed whole', async () => {
  const folder = scratchFolder();
  const large = put(folder, 'large', Buffer.alloc(2 ** 21 + 3, 7));
  const empty = put(folder, 'empty', '');
  const hashes = await hashFiles([large, empty, large]);
  assert.is(hashes.size, 2);
  assert.is(hashes.get(empty), 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
  assert.is(hashes.get(large), (await $`sha256sum ${large}`).stdout.slice(0, 64));
});

test('a software adapter names its CPU', async () => {
  const gpu = await openGpu();
  const { software, cpu } = gpu.adapter;
  gpu.close();
  if (software) assert.ok(cpu?.startsWith(cpus()[0].model.trim()), cpu);
  else assert.is(cpu, undefined);
});

test.run();
