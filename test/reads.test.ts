/** The inputs that stages declare, which a resumed run compares. */
import { cpus } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { clipReads } from '../stages/clip/check.ts';
import { loadOptions, loadStage } from '../stages/load/stage.ts';
import { scoreOptions, scoreStage } from '../stages/score/stage.ts';
import { stageReads } from '../stages/stage.ts';
import { stylizeOptions, stylizeStage } from '../stages/stylize/stage.ts';
import { trainOptions } from '../stages/train/options.ts';
import { trainStage } from '../stages/train/stage.ts';
import { tinyCapture, writeCapture } from './helpers/colmap.ts';
import { put, scratchFolder } from './helpers/scratch.ts';

const MODEL = fileURLToPath(new URL('./data/clip-tiny', import.meta.url));
const MODEL_PARTS = [
  'config.json',
  'model.safetensors',
  'preprocessor_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
];

const names = (files: readonly string[] = []) => files.map((file) => basename(file)).sort();

test('load reads the model and every picture of a capture', async () => {
  const capture = tinyCapture();
  const colmap = await writeCapture(capture);
  const { files } = await stageReads(loadStage, loadOptions.parse({ colmap }));
  const pictures = capture.images.map(({ name }) => name);
  assert.equal(names(files), ['cameras.bin', 'images.bin', 'points3D.bin', ...pictures].sort());
  assert.ok(files?.includes(join(colmap, 'sparse/0', 'cameras.bin')));
});

test('load reads a splat, and beside a SOG’s meta.json its pictures', async () => {
  const folder = scratchFolder();
  for (const name of ['a.ply', 'other.txt']) put(folder, name, '');
  const pictures = ['means_l.webp', 'means_u.webp', 'quats.webp', 'scales.webp', 'sh0.webp'];
  const dot = sharp({ create: { width: 1, height: 1, channels: 4, background: 'red' } });
  for (const name of pictures) put(folder, name, await dot.webp({ lossless: true }).toBuffer());
  const [means_l, means_u, quats, scales, sh0] = pictures;
  const meta = {
    version: 2,
    count: 1,
    means: { mins: [0, 0, 0], maxs: [1, 1, 1], files: [means_l, means_u] },
    scales: { codebook: [0], files: [scales] },
    quats: { files: [quats] },
    sh0: { codebook: [0], files: [sh0] },
  };
  put(folder, 'meta.json', JSON.stringify(meta));
  const read = async (name: string) =>
    names((await stageReads(loadStage, loadOptions.parse({ ply: join(folder, name) }))).files);
  assert.equal(await read('a.ply'), ['a.ply']);
  assert.equal(await read('meta.json'), [...pictures, 'meta.json'].sort());
});

test('stylize, and train with a prompt, read the model and the prompt’s text', async () => {
  const target = { prompt: 'rococo', model: MODEL };
  const styled = await stageReads(stylizeStage, stylizeOptions.parse(target));
  assert.equal(names(styled.files), MODEL_PARTS);
  assert.not.equal(styled.texts?.prompt, 'rococo', 'the name in the library, not its text');
  assert.is(styled.texts?.model, MODEL, 'the style names the folder, which score opens');
  const trained = (mode: 'balanced' | 'paper') =>
    stageReads(trainStage, trainOptions.parse({ clip: { ...target, mode } }));
  assert.equal(await trained('balanced'), styled, 'it gives a style, too');
  assert.equal(await trained('paper'), { files: styled.files, texts: { prompt: styled.texts?.prompt } });
  assert.equal(await stageReads(trainStage, trainOptions.parse({})), {});
  const own = await stageReads(stylizeStage, stylizeOptions.parse({ prompt: 'made of moss' }));
  assert.equal(own.texts, { prompt: 'made of moss' });
});

test('score reads the model, by its name too, and the text of a prompt of its own; without `clip` nothing', async () => {
  const read = (options: object) => stageReads(scoreStage, scoreOptions.parse(options));
  const own = await read({ prompt: 'made of moss', model: MODEL });
  assert.equal(names(own.files), MODEL_PARTS);
  assert.equal(own.texts, { prompt: 'made of moss', 'model name': 'clip-tiny' });
  const styled = await read({});
  assert.ok(styled.files?.length && styled.files.every((file) => dirname(file).endsWith('demo-clip')));
  assert.equal(styled.texts, {}, 'the prompt comes with the style');
  assert.equal(await read({ metrics: ['psnr'], model: MODEL }), {});
});

test('a model whose text encoder is ONNX depends on the CPU, too', async () => {
  const folder = scratchFolder();
  for (const name of [...MODEL_PARTS, 'onnx/text_model.onnx']) put(folder, name, '');
  const { files, texts } = await clipReads(folder);
  assert.equal(names(files), [...MODEL_PARTS, 'text_model.onnx'].sort());
  assert.equal(texts, { 'CPU of the text encoder': cpus()[0].model });
  assert.equal((await clipReads(MODEL)).texts, {});
});

test.run();
