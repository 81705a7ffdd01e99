import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { checkClip } from '../stages/clip/check.ts';
import { encodeTexts } from '../stages/clip/text.ts';
import type { TensorSource } from '../stages/clip/weights.ts';
import { size } from '../wgsl/nn/graph.ts';
import { embeddings } from './helpers/clip-embeddings.ts';
import { withGpu } from './helpers/gpu.ts';
import { uniform } from './helpers/numbers.ts';
import { scratchFolder } from './helpers/scratch.ts';
import { throwsInput } from './helpers/throws.ts';

const reference = fileURLToPath(new URL('./data/reference/', import.meta.url));
const scratch = scratchFolder();

const readJson = async (path: string) => JSON.parse(await readFile(path, 'utf8'));
const writeJson = (path: string, value: unknown) => writeFile(path, JSON.stringify(value));

/** A SigLIP's folder: the reference model with a small tokenizer. */
async function siglipFolder(name: string, tokenizer: object, tokenizerConfig: object): Promise<string> {
  const folder = join(scratch, name);
  await mkdir(folder);
  for (const file of ['config.json', 'model.safetensors']) {
    await cp(`${reference}siglip_tiny_${file}`, join(folder, file));
  }
  await writeJson(join(folder, 'tokenizer.json'), tokenizer);
  await writeJson(join(folder, 'tokenizer_config.json'), tokenizerConfig);
  // As transformers saves it: null is the default.
  const size = { height: 48, width: 48 };
  await writeJson(join(folder, 'preprocessor_config.json'), { size, do_center_crop: null, crop_size: null });
  return folder;
}

const added = (id: number, content: string) => ({
  id,
  content,
  single_word: false,
  lstrip: true,
  rstrip: true,
  normalized: false,
  special: true,
});

/** Pieces with their log probabilities; the id of a piece is its place. */
const UNIGRAM = {
  version: '1.0',
  added_tokens: [added(1, '</s>'), added(2, '<unk>')],
  normalizer: null,
  pre_tokenizer: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true },
  post_processor: null,
  decoder: null,
  model: {
    type: 'Unigram',
    unk_id: 2,
    byte_fallback: false,
    vocab: [
      ['<extra>', 0],
      ['</s>', 0],
      ['<unk>', 0],
      ['▁', -4],
      ['▁a', -2],
      ['▁red', -3],
      ['▁re', -1],
      ['d', -1.5],
      ['▁chair', -2],
      ['s', -2],
      ['▁chairs', -5],
    ],
  },
};
const UNIGRAM_CONFIG = { tokenizer_class: 'SiglipTokenizer', eos_token: '</s>', pad_token: '</s>' };

test('SigLIP: lower case, no punctuation, most likely pieces, the end mark, padding to the full length', async () => {
  const folder = await siglipFolder('siglip', UNIGRAM, UNIGRAM_CONFIG);
  const { tokenizer, preprocessor } = await checkClip(folder);
  // ▁re d at −2.5 is likelier than ▁red at −3, and ▁chair s at −4 than ▁chairs at −5.
  assert.equal(tokenizer.encode('A red, "CHAIRS"!', 10), [4, 6, 7, 8, 9, 1, 1, 1, 1, 1]);
  assert.equal(tokenizer.encode('  a\n\tred ', 6), [4, 6, 7, 1, 1, 1], 'white space is joined');
  assert.equal(tokenizer.encode('a zebra', 6), [4, 3, 2, 1, 1, 1], 'unknown letters are one unknown piece');
  assert.equal(tokenizer.encode('a a a a a', 4), [4, 4, 4, 1], 'the end mark stays');
  assert.equal(preprocessor, {
    mean: [0.5, 0.5, 0.5],
    deviation: [0.5, 0.5, 0.5],
    fit: { kind: 'exact', width: 48, height: 48 },
  });
});

/** Ids: 4 marks, 256 bytes, then letters and merged pieces. */
const BYTES = Array.from({ length: 256 }, (_, i) => `<0x${i.toString(16).toUpperCase().padStart(2, '0')}>`);
const PIECES = ['<pad>', '<eos>', '<bos>', '<unk>', ...BYTES, '▁', 'a', 'd', 'e', 'r', 're', 'red', '▁red'];
const id = (piece: string) => PIECES.indexOf(piece);
const BPE = {
  version: '1.0',
  added_tokens: ['<pad>', '<eos>', '<bos>', '<unk>'].map((mark, i) => added(i, mark)),
  normalizer: { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
  pre_tokenizer: { type: 'Split', pattern: { String: ' ' }, behavior: 'MergedWithPrevious', invert: false },
  post_processor: null,
  decoder: null,
  model: {
    type: 'BPE',
    dropout: null,
    unk_token: '<unk>',
    continuing_subword_prefix: null,
    end_of_word_suffix: null,
    fuse_unk: true,
    byte_fallback: true,
    vocab: Object.fromEntries(PIECES.map((piece, i) => [piece, i])),
    merges: ['r e', 're d', '▁ red'],
  },
};
const BPE_CONFIG = {
  tokenizer_class: 'GemmaTokenizer',
  bos_token: '<bos>',
  eos_token: { content: '<eos>' },
  pad_token: '<pad>',
  add_bos_token: false,
  add_eos_token: true,
};

test('SigLIP 2: lower case, merged pieces, bytes of unknown letters, the end mark, padding', async () => {
  const read = async (name: string, more: object = {}) =>
    (await checkClip(await siglipFolder(name, BPE, { ...BPE_CONFIG, ...more }))).tokenizer;
  const tokenizer = await read('gemma');
  const [a, red, space] = [id('a'), id('▁red'), id('▁')];
  const accent = [id('<0xC3>'), id('<0xA9>')];
  assert.equal(tokenizer.encode('A RED é', 8), [a, red, space, ...accent, 1, 0, 0]);
  assert.equal(tokenizer.encode('a red red red red', 4), [a, red, red, 1], 'the end mark stays');
  const left = await read('gemma-left', { padding_side: 'left' });
  assert.equal(left.encode('a red', 5), [0, 0, a, red, 1]);
  const begun = await read('gemma-begin', { add_bos_token: true, add_eos_token: false });
  assert.equal(begun.encode('a red', 5), [2, a, red, 0, 0]);
  const cased = await read('gemma-case', { do_lower_case: false });
  assert.equal(cased.encode('A', 3), [id('<0x41>'), 1, 0]);
});

test('a SigLIP tokenizer without a padding mark is refused', async () => {
  const folder = await siglipFolder('no-pad', UNIGRAM, { eos_token: '</s>' });
  await throwsInput(
    () => checkClip(folder),
    'tokenizer.json: has no padding mark; add tokenizer_config.json',
  );
});

test('a SigLIP opens: texts and pictures have embeddings of one width', () =>
  withGpu(async (gpu) => {
    const folder = await siglipFolder('siglip-run', UNIGRAM, UNIGRAM_CONFIG);
    const [texts, images, scale] = await embeddings(gpu, folder);
    assert.is(texts.length, 2 * 48);
    assert.is(images.length, 48);
    assert.ok(Math.abs(new Float32Array(scale.buffer)[0] - 1.0124994) < 1e-6, 'e to its logit_scale');
  }));

test('a vocabulary whose table is larger than a binding: only the rows of the text are uploaded', () =>
  withGpu(async (gpu) => {
    const { text, ...rest } = (await checkClip(await siglipFolder('large', UNIGRAM, UNIGRAM_CONFIG))).towers;
    const embed = (vocabulary: number, ids: number[]) => {
      const source: TensorSource = {
        floats: async (name, shape) => {
          const values = new Float32Array(size({ shape }));
          const row = (id: number) => uniform(text.width, id === vocabulary - 1 ? 99 : 98);
          if (!name.endsWith('token_embedding.weight')) values.set(uniform(values.length, name.length));
          else for (const id of ids) values.set(row(id), id * text.width);
          return values;
        },
      };
      return encodeTexts(gpu, { ...rest, text: { ...text, vocabulary } }, source, [ids]);
    };
    // 192 MiB; software Vulkan binds 128.
    const large = await embed(2 ** 20, [7, 2 ** 20 - 1, 7, 7]);
    assert.equal(large, await embed(600, [7, 599, 7, 7]));
    assert.ok(large.every(Number.isFinite) && new Set(large).size > 10);
  }));

test('a SigLIP’s configuration must give texts and images one width, and a pooling head', async () => {
  const folder = await siglipFolder('siglip-config', UNIGRAM, UNIGRAM_CONFIG);
  const path = join(folder, 'config.json');
  const config = await readJson(path);
  const { text_config, vision_config } = config;
  await writeJson(path, { ...config, text_config: { ...text_config, projection_size: 40 } });
  await throwsInput(() => checkClip(folder), 'text_config.projection_size: texts have 40 numbers, images 48');
  await writeJson(path, { ...config, vision_config: { ...vision_config, vision_use_head: false } });
  await throwsInput(
    () => checkClip(folder),
    'vision_config.vision_use_head: a SigLIP without its pooling head',
  );
  await writeJson(path, { ...config, model_type: 'siglip2' });
  assert.is((await checkClip(folder)).family.name, 'SigLIP', 'of one resolution, whatever it calls itself');
});

test.run();
