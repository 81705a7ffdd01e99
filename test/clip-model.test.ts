import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { openClip } from '../stages/clip/model.ts';
import { ClipScorer } from '../stages/clip/scorer.ts';
import { InputError } from '../wgsl/core/index.ts';
import { withGpu } from './helpers/gpu.ts';
import { throwsInput } from './helpers/throws.ts';
import { near } from './helpers/vjp.ts';

const data = fileURLToPath(new URL('./data/', import.meta.url));
const tiny = join(data, 'clip-tiny');

interface Expected {
  texts: string[];
  ids: number[][];
  textEmbeds: number[][];
  imageEmbeds: number[];
  cosines: number[];
}
const expected: Expected = JSON.parse(await readFile(join(tiny, 'expected.json'), 'utf8'));

let copies: string;
test.before(async () => {
  copies = await mkdtemp(join(tmpdir(), 'clip-'));
});
test.after(() => rm(copies, { recursive: true }));

async function copy(name: string): Promise<string> {
  const folder = join(copies, name);
  await cp(tiny, folder, { recursive: true });
  return folder;
}

test('tokens and text embeddings are those of transformers', () =>
  withGpu(async (gpu) => {
    const model = await openClip(gpu, tiny);
    assert.equal(
      expected.texts.map((text) => model.tokenize(text)),
      expected.ids,
    );
    const embeds = await model.embedTexts(expected.texts);
    near(embeds, expected.textEmbeds.flat(), 1e-5, 'text embeddings');
    model.destroy();
  }));

test('whole pictures are fitted, encoded and compared as transformers does', () =>
  withGpu(async (gpu, arena) => {
    const [width, height] = [144, 48];
    const color = new Float32Array(width * height * 4);
    for (let i = 0; i < width * height; i++) {
      const [x, y] = [i % width, Math.floor(i / width)];
      color.set([x / width, y / height, (Math.floor(x / 7) + Math.floor(y / 5)) % 2, 1], 4 * i);
    }
    const picture = { color: arena.upload('picture', color, 'test'), width, height };
    const model = await openClip(gpu, tiny);
    const scorer = await ClipScorer.create(gpu, model);
    const live = gpu.liveBytes;
    near(
      await scorer.embedImages([picture, picture]),
      [...expected.imageEmbeds, ...expected.imageEmbeds],
      1e-4,
      'image',
    );
    for (const [i, text] of expected.textEmbeds.entries()) {
      near(
        (await scorer.compare([picture, picture], Float32Array.from(text))).cosines,
        Array(2).fill(expected.cosines[i]),
        1e-5,
        'cosine',
      );
    }
    assert.is(gpu.liveBytes, live, 'scoring leaves no buffer behind');
    scorer.destroy();
    model.destroy();
  }));

test('an ONNX text encoder is preferred, in onnxruntime', () =>
  withGpu(async (gpu) => {
    const folder = await copy('onnx');
    await mkdir(join(folder, 'onnx'));
    await cp(join(data, 'text_model.onnx'), join(folder, 'onnx', 'text_model.onnx'));
    const model = await openClip(gpu, folder);
    const embeds = await model.embedTexts(expected.texts);
    const rows = expected.ids.map((ids) => {
      const row = Array.from(
        { length: 16 },
        (_, d) => ids.reduce((sum, id) => sum + ((id + 3 * d) % 7), 0) / ids.length,
      );
      return row.map((value) => value / Math.hypot(...row));
    });
    near(embeds, rows.flat(), 1e-6, 'text embeddings');
    model.destroy();

    await writeFile(join(folder, 'onnx', 'text_model.onnx'), 'not a graph');
    const broken = await openClip(gpu, folder);
    const error = await broken.embedTexts(['a']).catch((reason: unknown) => reason);
    assert.instance(error, InputError);
    assert.match(String(error), /text_model\.onnx: onnxruntime cannot load it/);
  }));

test('the package’s own model opens, and separates its prompts', () =>
  withGpu(async (gpu) => {
    const model = await openClip(gpu);
    const [a, b] = ['a stained glass robot', 'a pencil sketch of a robot'];
    const embeds = await model.embedTexts([a, b, a]);
    const cosine = (i: number, j: number) => {
      const row = (at: number) => embeds.subarray(at * model.dimensions, (at + 1) * model.dimensions);
      return row(i).reduce((sum, value, c) => sum + value * row(j)[c], 0);
    };
    assert.ok(Math.abs(cosine(0, 2) - 1) < 1e-6, 'the same text');
    assert.ok(cosine(0, 1) < 0.9, `${cosine(0, 1)} between two styles`);
    model.destroy();
  }));

test('many texts take no more memory than some', () =>
  withGpu(async (gpu) => {
    const model = await openClip(gpu, tiny);
    const texts = Array.from({ length: 70 }, (_, i) => `robot ${i}`);
    const peakOf = async (count: number) => {
      gpu.peakBytes = 0;
      return { embeds: await model.embedTexts(texts.slice(0, count)), bytes: gpu.peakBytes };
    };
    const [some, many] = [await peakOf(35), await peakOf(70)];
    assert.ok(many.bytes < 1.1 * some.bytes, `${many.bytes} and ${some.bytes} bytes`);
    assert.equal(many.embeds.subarray(0, some.embeds.length), some.embeds);
  }));

test('the judge opens, has another shape than the demo model, and names the colour of a picture', () =>
  withGpu(async (gpu, arena) => {
    const [judge, demo] = [await openClip(gpu, join(data, 'judge')), await openClip(gpu)];
    const shapes = [judge, demo].map(({ towers: { vision } }) => [
      vision.imageSize,
      vision.patch,
      vision.layers,
    ]);
    assert.equal(shapes, [
      [96, 16, 5],
      [64, 8, 4],
    ]);
    demo.destroy();

    const scorer = await ClipScorer.create(gpu, judge);
    const colors = { red: [0.8, 0.1, 0.1], green: [0.1, 0.7, 0.2], blue: [0.1, 0.2, 0.8] };
    const names = Object.keys(colors);
    const rows = await judge.embedTexts(names.map((name) => `a ${name} picture`));
    for (const [at, rgb] of Object.values(colors).entries()) {
      const color = new Float32Array(96 * 96 * 4);
      for (let i = 0; i < 96 * 96; i++) {
        const light = 0.7 + 0.3 * Math.sin((i % 96) / 9) * Math.cos(Math.floor(i / 96) / 7);
        color.set([...rgb.map((value) => value * light), 1], 4 * i);
      }
      const picture = { color: arena.upload(names[at], color, 'test'), width: 96, height: 96 };
      const cosines = [];
      for (const i of names.keys()) {
        const row = rows.subarray(i * judge.dimensions, (i + 1) * judge.dimensions);
        cosines.push((await scorer.compare([picture], row)).cosines[0]);
      }
      assert.is(cosines.indexOf(Math.max(...cosines)), at, `${names[at]}: ${cosines}`);
    }
    scorer.destroy();
    judge.destroy();
  }));

type Damage = [name: string, file: string, change: (text: string) => string | undefined, expected: RegExp];
const set = (changes: object) => (text: string) => JSON.stringify({ ...JSON.parse(text), ...changes });
const vision = (changes: object) => (text: string) => {
  const config = JSON.parse(text);
  return JSON.stringify({ ...config, vision_config: { ...config.vision_config, ...changes } });
};
const damages: Damage[] = [
  ['no config', 'config.json', () => undefined, /lacks config\.json .*`model: laion\/.*`model: demo`/],
  ['config cut short', 'config.json', (text) => text.slice(0, 99), /config\.json:\d+:\d+: is not JSON/],
  [
    'not CLIP',
    'config.json',
    set({ model_type: 'bert' }),
    /config\.json: model_type: "bert" is not a supported/,
  ],
  [
    'activation',
    'config.json',
    vision({ hidden_act: 'relu' }),
    /vision_config\.hidden_act: .*gelu, quick_gelu, gelu_pytorch_tanh/,
  ],
  [
    'heads',
    'config.json',
    vision({ num_attention_heads: 5 }),
    /num_attention_heads: 5 heads do not divide a width of 32/,
  ],
  ['patches', 'config.json', vision({ patch_size: 25 }), /patch_size: patches of 25 pixels are larger/],
  [
    'width',
    'config.json',
    vision({ intermediate_size: 65 }),
    /fc1\.weight" is \[64,32\]; the configuration requires \[65,32\]/,
  ],
  ['layers', 'config.json', vision({ num_hidden_layers: 3 }), /layers\.2\.\S+" is missing/],
  ['huge', 'config.json', vision({ hidden_size: 1e9 }), /vision_config\.hidden_size/],
  ['vocabulary', 'config.json', (text) => text.replace('"vocab_size": 522', '"vocab_size": 300'), /300/],
  ['tokenizer', 'tokenizer.json', () => '{}', /tokenizer\.json: is not a tokenizer/],
  ['tokenizer null', 'tokenizer.json', () => 'null', /tokenizer\.json: is not a tokenizer/],
  ['rescaling', 'preprocessor_config.json', set({ do_rescale: false }), /do_rescale: is not supported/],
  ['its factor', 'preprocessor_config.json', set({ rescale_factor: 1 / 127.5 }), /rescale_factor: .*1\/255/],
  ['resizing', 'preprocessor_config.json', set({ do_resize: false }), /do_resize: is not supported/],
  ['crop size', 'preprocessor_config.json', set({ crop_size: 30 }), /crop_size 30×30 is not the 24×24/],
  [
    'deviation',
    'preprocessor_config.json',
    set({ image_std: [0.2, 0, 0.2] }),
    /image_std .* must be above 0/,
  ],
  ['mean', 'preprocessor_config.json', set({ image_mean: [0.5] }), /image_mean: three numbers/],
];

for (const [name, file, change, pattern] of damages) {
  test(`refuses: ${name}`, () =>
    withGpu(async (gpu) => {
      const path = join(await copy(name), file);
      const damaged = change(await readFile(path, 'utf8'));
      if (damaged === undefined) await rm(path);
      else await writeFile(path, damaged);
      const error = await openClip(gpu, join(copies, name))
        .then(async (model) => {
          try {
            await model.vision();
            await model.embedTexts(['a robot']);
          } finally {
            model.destroy();
          }
        })
        .catch((reason: unknown) => reason);
      assert.instance(error, InputError);
      assert.match((error as Error).message, pattern);
      assert.ok((error as Error).message.includes(join(copies, name)), 'names the folder');
    }));
}

test('refuses weights that are not finite, and a missing folder', () =>
  withGpu(async (gpu) => {
    const folder = await copy('nan');
    const path = join(folder, 'model.safetensors');
    const bytes = await readFile(path);
    bytes.writeUInt16LE(0x7e00, bytes.length - 2); // the last tensor's last f16
    await writeFile(path, bytes);
    const model = await openClip(gpu, folder);
    await throwsInput(
      () => model.vision(),
      /model\.safetensors: tensor ".+" has 1 values that are not finite, the first at \d+/,
    );
    model.destroy();
    const error = await openClip(gpu, join(copies, 'none')).catch((reason: unknown) => reason);
    assert.match(String(error), /none: is missing; a CLIP model's folder is expected/);
  }));

test.run();
