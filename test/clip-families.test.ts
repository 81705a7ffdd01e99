import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { checkClip } from '../stages/clip/check.ts';
import { readSafetensors } from '../stages/clip/safetensors.ts';
import { embeddings } from './helpers/clip-embeddings.ts';
import { withGpu } from './helpers/gpu.ts';
import { type FloatTensor, packTensors } from './helpers/safetensors.ts';
import { scratchFolder } from './helpers/scratch.ts';
import { throwsInput } from './helpers/throws.ts';

const tiny = fileURLToPath(new URL('./data/clip-tiny/', import.meta.url));
const scratch = scratchFolder();

const readJson = async (path: string) => JSON.parse(await readFile(path, 'utf8'));
const writeJson = (path: string, value: unknown) => writeFile(path, JSON.stringify(value));

async function tinyTensors(): Promise<Map<string, FloatTensor>> {
  const { tensors } = await readSafetensors(join(tiny, 'model.safetensors'));
  const floats = [...tensors].filter(([, { data }]) => data instanceof Float32Array);
  return new Map(floats as [string, FloatTensor][]);
}

/** A copy of the tiny CLIP without its weights. */
async function bareCopy(name: string): Promise<string> {
  const folder = join(scratch, name);
  await cp(tiny, folder, { recursive: true });
  await rm(join(folder, 'model.safetensors'));
  return folder;
}

/** CLIP's tensors under OpenCLIP's names. */
function toOpenClip(tensors: ReadonlyMap<string, FloatTensor>): Map<string, FloatTensor> {
  const get = (name: string) => tensors.get(name)!;
  const turned = (name: string): FloatTensor => {
    const { shape, data } = get(name);
    const [rows, columns] = shape;
    const values = Float32Array.from(data, (_, i) => data[(i % rows) * columns + Math.floor(i / rows)]);
    return { shape: [columns, rows], data: values };
  };
  const packed = (prefix: string, kind: string): FloatTensor => {
    const parts = ['q', 'k', 'v'].map((role) => get(`${prefix}.self_attn.${role}_proj.${kind}`));
    const [rows, ...rest] = parts[0].shape;
    return {
      shape: [3 * rows, ...rest],
      data: Float32Array.from(parts.flatMap(({ data }) => [...data])),
    };
  };
  const found = new Map<string, FloatTensor>([
    ['logit_scale', get('logit_scale')],
    ['visual.class_embedding', get('vision_model.embeddings.class_embedding')],
    ['visual.conv1.weight', get('vision_model.embeddings.patch_embedding.weight')],
    ['visual.positional_embedding', get('vision_model.embeddings.position_embedding.weight')],
    ['visual.proj', turned('visual_projection.weight')],
    ['text_projection', turned('text_projection.weight')],
    ['token_embedding.weight', get('text_model.embeddings.token_embedding.weight')],
    ['positional_embedding', get('text_model.embeddings.position_embedding.weight')],
  ]);
  const move = (to: string, from: string) => {
    for (const kind of ['weight', 'bias']) found.set(`${to}.${kind}`, get(`${from}.${kind}`));
  };
  move('visual.ln_pre', 'vision_model.pre_layrnorm');
  move('visual.ln_post', 'vision_model.post_layernorm');
  move('ln_final', 'text_model.final_layer_norm');
  for (const [to, from] of [
    ['visual.transformer', 'vision_model'],
    ['transformer', 'text_model'],
  ]) {
    for (const layer of [0, 1]) {
      const [block, old] = [`${to}.resblocks.${layer}`, `${from}.encoder.layers.${layer}`];
      move(`${block}.ln_1`, `${old}.layer_norm1`);
      move(`${block}.ln_2`, `${old}.layer_norm2`);
      move(`${block}.attn.out_proj`, `${old}.self_attn.out_proj`);
      move(`${block}.mlp.c_fc`, `${old}.mlp.fc1`);
      move(`${block}.mlp.c_proj`, `${old}.mlp.fc2`);
      for (const kind of ['weight', 'bias']) {
        found.set(`${block}.attn.in_proj_${kind}`, packed(old, kind));
      }
    }
  }
  return found;
}

/** The tiny CLIP in OpenCLIP's configuration. */
const openClipConfig = (more: object = {}) => ({
  model_cfg: {
    embed_dim: 16,
    vision_cfg: { image_size: 24, layers: 2, width: 32, head_width: 8, patch_size: 8, mlp_ratio: 2 },
    text_cfg: { context_length: 12, vocab_size: 522, width: 24, heads: 3, layers: 2, mlp_ratio: 1.67 },
    ...more,
  },
  preprocess_cfg: { mean: [0.5, 0.4, 0.3], std: [0.2, 0.3, 0.25], interpolation: 'bicubic' },
});

async function openClipFolder(name: string, config: unknown = openClipConfig()): Promise<string> {
  const folder = await bareCopy(name);
  await rm(join(folder, 'config.json'));
  await writeJson(join(folder, 'open_clip_config.json'), config);
  const tensors = toOpenClip(await tinyTensors());
  await writeFile(join(folder, 'open_clip_model.safetensors'), packTensors(tensors));
  return folder;
}

test('OpenCLIP’s own layout gives the bytes of the same model in transformers’ layout', () =>
  withGpu(async (gpu) => {
    const { image_mean, image_std } = await readJson(join(tiny, 'preprocessor_config.json'));
    const config = openClipConfig();
    config.preprocess_cfg = { ...config.preprocess_cfg, mean: image_mean, std: image_std };
    const folder = await openClipFolder('open-clip', config);
    const { family, towers } = await checkClip(folder);
    assert.is(family.name, 'OpenCLIP');
    assert.equal(towers.text.pooling, { kind: 'largest-id' });
    assert.equal(await embeddings(gpu, folder), await embeddings(gpu, tiny));
    assert.not.equal(
      await embeddings(
        gpu,
        await openClipFolder('quick', { ...config, ...openClipConfig({ quick_gelu: true }) }),
      ),
      await embeddings(gpu, tiny),
      'quick_gelu counts',
    );
  }));

test('OpenCLIP’s configuration holds the preprocessing', async () => {
  const { preprocessor } = await checkClip(await openClipFolder('open-clip-mean'));
  assert.equal(preprocessor, {
    mean: [0.5, 0.4, 0.3],
    deviation: [0.2, 0.3, 0.25],
    fit: { kind: 'shortest-edge', pixels: 24 },
  });
  const squashed = { ...openClipConfig(), preprocess_cfg: { resize_mode: 'squash' } };
  const { fit, mean } = (await checkClip(await openClipFolder('squash', squashed))).preprocessor;
  assert.equal(fit, { kind: 'exact', width: 24, height: 24 });
  assert.equal(mean, [0.48145466, 0.4578275, 0.40821073]);
});

/** The tiny CLIP in two shards. */
async function shardedFolder(name: string): Promise<string> {
  const folder = await bareCopy(name);
  const tensors = [...(await tinyTensors())];
  const halves = [tensors.slice(0, 20), tensors.slice(20)];
  const files = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'];
  const map: Record<string, string> = {};
  for (const [i, half] of halves.entries()) {
    await writeFile(join(folder, files[i]), packTensors(new Map(half)));
    for (const [tensor] of half) map[tensor] = files[i];
  }
  await writeJson(join(folder, 'model.safetensors.index.json'), { metadata: {}, weight_map: map });
  return folder;
}

test('shards give the bytes of the same model in one file', () =>
  withGpu(async (gpu) => {
    const folder = await shardedFolder('sharded');
    const { files } = await checkClip(folder);
    assert.is(files.weights.parts.length, 2);
    assert.equal(await embeddings(gpu, folder), await embeddings(gpu, tiny));
  }));

test('incomplete shards and an index of other files are refused', async () => {
  const folder = await shardedFolder('shards');
  const index = join(folder, 'model.safetensors.index.json');
  const { weight_map } = await readJson(index);
  const moved = { ...weight_map, logit_scale: '../elsewhere.safetensors' };
  await writeJson(index, { weight_map: moved });
  await throwsInput(() => checkClip(folder), index, 'tensor "logit_scale" in ../elsewhere.safetensors');
  const [tensor, shard] = Object.entries(weight_map)[0] as [string, string];
  const other = Object.values(weight_map).find((file) => file !== shard);
  const { [tensor]: _, ...short } = weight_map;
  const contradictions = [
    [{ ...weight_map, [tensor]: other }, `places tensor "${tensor}" in ${other}, and it is in ${shard}`],
    [short, `places tensor "${tensor}" nowhere, and it is in ${shard}`],
    [{ ...weight_map, ghost: shard }, `places tensor "ghost" in ${shard}, and no shard has it`],
  ] as const;
  for (const [map, message] of contradictions) {
    await writeJson(index, { weight_map: map });
    await throwsInput(() => checkClip(folder), index, message);
  }
  await writeJson(index, { weight_map });
  const second = join(folder, 'model-00002-of-00002.safetensors');
  const whole = await readFile(second);
  await writeFile(second, packTensors(await tinyTensors()));
  await throwsInput(() => checkClip(folder), second, 'has tensor ', 'model-00001-of-00002.safetensors');
  await writeFile(second, whole);
  await rm(join(folder, 'model-00002-of-00002.safetensors'));
  await throwsInput(() => checkClip(folder), `${folder}: lacks model.safetensors`);
});

test('old configurations repeat the towers: the copy replaces the other', async () => {
  const folder = join(scratch, 'old');
  await cp(tiny, folder, { recursive: true });
  const path = join(folder, 'config.json');
  const { text_config, vision_config, ...rest } = await readJson(path);
  const wrong = { hidden_size: 8 };
  const old = {
    text_config: wrong,
    text_config_dict: text_config,
    vision_config: null,
    vision_config_dict: vision_config,
  };
  await writeJson(path, { ...rest, ...old });
  assert.equal((await checkClip(folder)).towers, (await checkClip(tiny)).towers);
});

test('weights in .bin files only are refused, with the line that converts them', async () => {
  const folder = await bareCopy('bin');
  await writeFile(join(folder, 'pytorch_model.bin'), '');
  await throwsInput(
    () => checkClip(folder),
    /pytorch_model\.bin only.+python3 -c "from transformers import AutoModel;/,
  );
  // A folder of both layouts: the one whose weights are there.
  await rm(join(folder, 'pytorch_model.bin'));
  await writeFile(join(folder, 'open_clip_pytorch_model.bin'), '');
  await writeJson(join(folder, 'open_clip_config.json'), openClipConfig());
  await throwsInput(() => checkClip(folder), "torch.load('open_clip_pytorch_model.bin', weights_only=True)");
  await rm(join(folder, 'config.json'));
  await throwsInput(
    () => checkClip(folder),
    /torch\.load\('open_clip_pytorch_model\.bin', weights_only=True\).+'open_clip_model\.safetensors'/,
  );
});

test('a folder in OpenCLIP’s layout without a tokenizer says which one to add', async () => {
  const folder = await openClipFolder('no-tokenizer');
  await rm(join(folder, 'tokenizer.json'));
  await throwsInput(
    () => checkClip(folder),
    /lacks tokenizer\.json.+tokenizer\.json of openai\/clip-vit-base-patch32/,
  );
});

const vision = (more: object) => ({ vision_cfg: { ...openClipConfig().model_cfg.vision_cfg, ...more } });
const text = (more: object) => ({ text_cfg: { ...openClipConfig().model_cfg.text_cfg, ...more } });
const otherOpenClips: [string, object, RegExp][] = [
  ['timm', vision({ timm_model_name: 'eva02_base' }), /image tower of timm \(eva02_base\).+Use laion/],
  ['timm SigLIP', vision({ timm_model_name: 'vit_base_patch16_siglip_224' }), /Use google\/siglip-base/],
  ['text tower', text({ hf_model_name: 'roberta-base' }), /text tower of transformers \(roberta-base\)/],
  ['custom text', { custom_text: true }, /a text tower of its own \(custom_text\)/],
  ['CoCa', { multimodal_cfg: { width: 8 } }, /a text decoder \(CoCa\)/],
  ['ResNet', vision({ layers: [3, 4, 6, 3] }), /a ResNet as its image tower/],
  ['pooling', vision({ pool_type: 'avg' }), /model_cfg\.vision_cfg\.pool_type: .+only "tok" is/],
  ['timm object', vision({ timm_model_name: { toString: 1 } }), /image tower of timm \(\{"toString":1\}\)/],
  ['scale', vision({ ls_init_value: 1e-4 }), /ls_init_value: is not supported: only null is/],
  ['mask', text({ no_causal_mask: true }), /text_cfg\.no_causal_mask: is not supported/],
  ['tokenizer', text({ hf_tokenizer_name: 'bert-base' }), /only the tokenizer of CLIP is/],
  ['other key', vision({ qk_norm: true }), /qk_norm/],
  ['heads', vision({ head_width: 5 }), /heads of 5 do not divide a width of 32/],
];
for (const [name, change, pattern] of otherOpenClips) {
  test(`refuses an OpenCLIP with: ${name}`, async () => {
    const folder = await openClipFolder(`open-${name}`, openClipConfig(change));
    await throwsInput(() => checkClip(folder), join(folder, 'open_clip_config.json'), pattern);
  });
}

const otherFamilies: [string, object, RegExp][] = [
  [
    'NaFlex',
    { model_type: 'siglip2', vision_config: { num_patches: 256 } },
    /NaFlex SigLIP 2 .+Use google\/siglip2-base-patch16-224/,
  ],
  ['MobileCLIP', { model_type: 'mobileclip' }, /MobileCLIP \(convolutions\) is not supported\. Use /],
  ['EVA', { model_type: 'eva_clip' }, /EVA-CLIP \(rotary embeddings\) is not supported\. Use laion/],
  ['half', { model_type: 'siglip_vision_model' }, /the image half of a SigLIP alone .+ Use google/],
  ['prototype', { model_type: 'toString' }, /model_type: "toString" is not a supported family/],
  ['object', { model_type: { toString: 1 } }, /model_type: \{"toString":1\} is not a supported family/],
  ['none', {}, /model_type: is missing; supported are clip, siglip/],
];
for (const [name, config, pattern] of otherFamilies) {
  test(`refuses another family: ${name}`, async () => {
    const folder = join(scratch, `family-${name}`);
    await cp(tiny, folder, { recursive: true });
    await writeJson(join(folder, 'config.json'), config);
    await throwsInput(() => checkClip(folder), join(folder, 'config.json'), pattern);
  });
}

test.run();
