import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readPipeline } from '../pipeline/index.ts';
import { checkClip, checkClipTarget } from '../stages/clip/check.ts';
import { readSafetensorsHeader } from '../stages/clip/safetensors.ts';
import { textTensors, visionTensors } from '../stages/clip/tensors.ts';
import { stages } from '../stages/index.ts';
import { scratchFolder } from './helpers/scratch.ts';
import { $ } from './helpers/shell.ts';
import { throwsInput } from './helpers/throws.ts';

const tiny = fileURLToPath(new URL('./data/clip-tiny/', import.meta.url));
const playbot = fileURLToPath(new URL('../scenes/playbot/', import.meta.url));
const command = fileURLToPath(new URL('../pipeline/splatline.mjs', import.meta.url));
const scratch = scratchFolder();

async function copy(name: string): Promise<string> {
  const folder = join(scratch, name);
  await cp(tiny, folder, { recursive: true });
  return folder;
}

/** A copy of the tiny model whose weights' header is another; `more` zero bytes follow the data. */
async function withHeader(name: string, change: (header: string) => string, more = 0): Promise<string> {
  const folder = await copy(name);
  const path = join(folder, 'model.safetensors');
  const bytes = await readFile(path);
  const end = 8 + Number(bytes.readBigUInt64LE(0));
  const header = Buffer.from(change(bytes.toString('latin1', 8, end)), 'latin1');
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  await writeFile(path, Buffer.concat([length, header, bytes.subarray(end), Buffer.alloc(more)]));
  return folder;
}

test('the listed tensors are those that transformers saved, and whole models pass', async () => {
  const { towers } = await checkClip(tiny);
  const { entries } = await readSafetensorsHeader(join(tiny, 'model.safetensors'));
  const saved = entries.filter(({ name }) => !/logit_scale$|position_ids$/.test(name));
  assert.equal(
    new Map([...visionTensors(towers), ...textTensors(towers)].sort()),
    new Map(saved.map(({ name, shape }) => [name, shape] as const).sort()),
  );
  await checkClip(); // the one that the package carries
  await checkClipTarget({ prompt: 'rococo', model: tiny });
});

test('reports the faults of a model, without a GPU', async () => {
  const fc1 = 'vision_model.encoder.layers.0.mlp.fc1.weight';
  const renamed = await withHeader('renamed', (header) => header.replace(fc1, `${fc1.slice(0, -1)}x`));
  await throwsInput(
    () => checkClip(renamed),
    join(renamed, 'model.safetensors'),
    `tensor "${fc1}" is missing;`,
  );

  const turned = await withHeader('turned', (header) => header.replaceAll('[64,32]', '[32,64]'));
  await throwsInput(() => checkClip(turned), /tensor ".+fc1\.weight" is \[32,64\]; .+ requires \[64,32\]/);

  const { entries } = await readSafetensorsHeader(join(tiny, 'model.safetensors'));
  const { name, start, end } = entries[entries.length - 1];
  const integers = (header: string) => {
    const tensors = JSON.parse(header);
    tensors[name].dtype = 'I32';
    tensors[name].data_offsets[1] += end - start;
    return JSON.stringify(tensors);
  };
  const whole = await withHeader('whole', integers, end - start);
  await throwsInput(() => checkClip(whole), /tensor ".+" has dtype I32; expected floats/);

  const short = await copy('short');
  const weights = await readFile(join(short, 'model.safetensors'));
  await writeFile(join(short, 'model.safetensors'), weights.subarray(0, -100));
  await throwsInput(() => checkClip(short), /model\.safetensors: .+truncated/);

  const mute = await copy('mute');
  await writeFile(join(mute, 'tokenizer.json'), '{}');
  await throwsInput(() => checkClip(mute), /tokenizer\.json: is not a tokenizer/);

  const bare = await copy('bare');
  await rm(join(bare, 'preprocessor_config.json'));
  await throwsInput(() => checkClip(bare), `${bare}: lacks preprocessor_config.json`);
});

test('text tensors are not required if the text encoder is an ONNX graph', async () => {
  const folder = await withHeader('onnx', (header) => header.replaceAll('text_', 'txet_'));
  await throwsInput(
    () => checkClip(folder),
    'tensor "text_model.embeddings.token_embedding.weight" is missing',
  );
  await mkdir(join(folder, 'onnx'));
  await writeFile(join(folder, 'onnx', 'text_model.onnx'), '');
  await checkClip(folder);
});

test('reports empty prompts, another model’s tokenizer and impossible crops', async () => {
  await throwsInput(() => checkClipTarget({ prompt: ' ', model: tiny }), 'the prompt is empty');
  const small = await copy('small');
  const config = await readFile(join(small, 'config.json'), 'utf8');
  await writeFile(join(small, 'config.json'), config.replace('"vocab_size": 522', '"vocab_size": 300'));
  const header = await readSafetensorsHeader(join(small, 'model.safetensors'));
  const vocabulary = header.entries.find(({ name }) => name.endsWith('token_embedding.weight'))!;
  await throwsInput(() => checkClipTarget({ prompt: 'a', model: small }), `is [${vocabulary.shape}]`);
  const crops = { count: 1, scale: [0.9, 0.4] as [number, number], rotate: 0, flip: false };
  await throwsInput(() => checkClipTarget({ prompt: 'a', model: tiny, crops }), 'got [0.9, 0.4]');
});

test('a run with an unusable prompt or model exits with 2 and one sentence before anything is written', async () => {
  const broken = await copy('broken');
  await rm(join(broken, 'tokenizer.json'));
  const [load, init] = [`  - load: { colmap: ${JSON.stringify(playbot)} }`, '  - init: {}'];
  const files = {
    stylize: [load, init, '  - stylize: { prompt: rococo, model: broken }'],
    train: [load, init, '  - train: { clip: { prompt: "  " } }'],
    score: [load, init, '  - score: { metrics: [clip], model: broken }'],
  };
  const said = {
    stylize: /broken: lacks tokenizer/,
    train: /train.yaml:5:\d+: `clip.prompt` of train is ""/,
    score: /broken: lacks tokenizer/,
  };
  const before = await readdir(scratch);
  const runs = Object.entries(files).map(async ([name, lines]) => {
    await writeFile(join(scratch, `${name}.yaml`), ['name: x', 'stages:', ...lines, ''].join('\n'));
    const args = ['run', `${name}.yaml`, '--out', 'results'];
    const { exitCode, stdout, stderr } = await $({
      cwd: scratch,
      nothrow: true,
    })`${process.execPath} ${command} ${args}`;
    assert.is(exitCode, 2, stderr);
    assert.is(stdout, '');
    assert.match(stderr, said[name as keyof typeof said]);
    assert.is(stderr.trim().split('\n').length, 1, stderr);
  });
  await Promise.all(runs);
  const after = await readdir(scratch);
  assert.equal(after.sort(), [...before, ...Object.keys(files).map((name) => `${name}.yaml`)].sort());
});

test('a path that leads nowhere is reported with the advice of its option', async () => {
  const file = join(scratch, 'nowhere.yaml');
  await writeFile(
    file,
    `stages:\n  - load: { colmap: ${playbot} }\n  - stylize: { prompt: rococo, model: ./clip }\n` +
      `  - orbit:\n`,
  );
  const error = await readPipeline(file, { registry: stages }).catch((error: Error) => error);
  assert.match(
    String(error),
    /no such folder: .*clip\. A CLIP model is owner\/name\[@revision\] on the Hugging Face Hub, a folder in its layout, or demo/,
  );
  await writeFile(file, `stages:\n  - load: { ply: ${playbot} }\n`);
  const folder = await readPipeline(file, { registry: stages }).catch((error: Error) => error);
  assert.match(
    String(folder),
    /expected a file, and .* is a folder\. Of an unpacked SOG splat give the meta\.json/,
  );
});

test.run();
