import type { Arena } from '../../wgsl/core/index.ts';
import {
  headMap,
  type LinearValues,
  type NormValues,
  type PackedEncoder,
  type PackedLayer,
  packLinear,
  toHalf,
} from '../../wgsl/transformer/weights.ts';
import { visionTensors } from './tensors.ts';
import { type Towers, tokenCount, type VisionTower } from './towers.ts';
import { concatenate, type TensorSource, WeightLoader } from './weights.ts';

/** The image encoder as operands of tensor cores, in f16. @throws InputError with the file and the tensor that is missing or invalid. */
export async function packVision(
  arena: Arena,
  towers: Towers,
  weights: TensorSource,
): Promise<PackedEncoder> {
  const load = new WeightLoader(arena, weights, visionTensors(towers));
  const { vision } = towers;
  const { width, heads, hasProjection, hasPreNorm } = vision;
  const embeddings = 'vision_model.embeddings';
  const layers: PackedLayer[] = [];
  for (let i = 0; i < vision.layers; i++) {
    layers.push(
      await packLayer(arena, load, `layer${i}`, layerNames(`vision_model.encoder.layers.${i}`), vision),
    );
  }
  return {
    width,
    dimensions: towers.dimensions,
    headCount: heads,
    headWidth: width / heads,
    activation: vision.activation,
    epsilon: vision.epsilon,
    imageSize: vision.imageSize,
    patchSize: vision.patch,
    hasClassToken: vision.hasClassToken,
    patch: await packLinear(arena, 'patch', await linearOf(load, `${embeddings}.patch_embedding`)),
    embeddings: await tokenEmbeddings(arena, load, vision),
    preNorm: hasPreNorm ? await load.layerNorm('vision_model.pre_layrnorm', vision.epsilon) : undefined,
    layers,
    pooling: vision.pooling === 'class' ? { kind: 'class' } : await packHead(arena, load, vision),
    projection: hasProjection
      ? await packLinear(arena, 'projection', await linearOf(load, 'visual_projection'), {
          norm: await normOf(load, 'vision_model.post_layernorm'),
        })
      : undefined,
  };
}

/** Canonical names of a layer's parts. */
interface LayerNames {
  norm1: string;
  attention: string;
  norm2: string;
  mlp: string;
}

function layerNames(layer: string): LayerNames {
  return {
    norm1: `${layer}.layer_norm1`,
    attention: `${layer}.self_attn`,
    norm2: `${layer}.layer_norm2`,
    mlp: `${layer}.mlp`,
  };
}

async function packLayer(
  arena: Arena,
  load: WeightLoader,
  label: string,
  { norm1, attention, norm2, mlp }: LayerNames,
  { width, heads }: VisionTower,
  roles = ['q_proj', 'k_proj', 'v_proj'],
): Promise<PackedLayer> {
  const tiles = Math.ceil(width / heads / 16);
  const map = (parts: number) => headMap(parts, heads, width / heads, tiles);
  const names = roles.map((role) => `${attention}.${role}`);
  return {
    qkv: await packLinear(arena, `${label}/qkv`, await linearOf(load, ...names), {
      norm: await normOf(load, norm1),
      outputMap: map(roles.length),
    }),
    out: await packLinear(arena, `${label}/out`, await linearOf(load, `${attention}.out_proj`), {
      inputMap: map(1),
    }),
    fc1: await packLinear(arena, `${label}/fc1`, await linearOf(load, `${mlp}.fc1`), {
      norm: await normOf(load, norm2),
    }),
    fc2: await packLinear(arena, `${label}/fc2`, await linearOf(load, `${mlp}.fc2`)),
  };
}

/** The attention-pooling head: a layer whose query is the same for all images, computed here in double precision. */
async function packHead(
  arena: Arena,
  load: WeightLoader,
  tower: VisionTower,
): Promise<PackedEncoder['pooling']> {
  const head = 'vision_model.head';
  const { width, heads } = tower;
  const names = {
    norm1: 'vision_model.post_layernorm',
    attention: `${head}.attention`,
    norm2: `${head}.layernorm`,
    mlp: `${head}.mlp`,
  };
  const layer = await packLayer(arena, load, 'head', names, tower, ['k_proj', 'v_proj']);
  const probe = await load.floats(`${head}.probe`);
  const { weight, bias } = await linearOf(load, `${head}.attention.q_proj`);
  const map = headMap(1, heads, width / heads, Math.ceil(width / heads / 16));
  // By head, one tile of queries, of which row 0 exists.
  const tiles = new Uint16Array(map.length * 16);
  map.forEach((output, column) => {
    if (output >= width) return;
    let query = bias?.[output] ?? 0;
    for (let i = 0; i < width; i++) query += weight[output * width + i] * probe[i];
    tiles[Math.floor(column / 16) * 256 + (column % 16)] = toHalf(query);
  });
  return { kind: 'attention', queries: arena.upload('head/queries', tiles, 'weights'), layer };
}

/** The class embedding, if any, and the embeddings of all positions, summed: f32 [tokens, width]. */
async function tokenEmbeddings(arena: Arena, load: WeightLoader, tower: VisionTower): Promise<GPUBuffer> {
  const embeddings = 'vision_model.embeddings';
  const sum = Float32Array.from(await load.floats(`${embeddings}.position_embedding.weight`));
  if (tower.hasClassToken) {
    const token = await load.floats(`${embeddings}.class_embedding`);
    for (let i = 0; i < tower.width; i++) sum[i] += token[i];
  }
  if (sum.length !== tokenCount(tower) * tower.width) throw new Error('one embedding a token is expected');
  return arena.upload('embeddings', sum, 'weights');
}

async function normOf(load: WeightLoader, name: string): Promise<NormValues> {
  const weight = await load.floats(`${name}.weight`);
  return { weight, bias: await load.floats(`${name}.bias`) };
}

/** Layers of the same input as one: their outputs follow each other. */
async function linearOf(load: WeightLoader, ...names: string[]): Promise<LinearValues> {
  const weights: Float32Array[] = [];
  const biases: Float32Array[] = [];
  for (const name of names) {
    weights.push(await load.floats(`${name}.weight`));
    if (load.has(`${name}.bias`)) biases.push(await load.floats(`${name}.bias`));
  }
  const outputs = names.map((name) => load.shapeOf(`${name}.weight`)[0]).reduce((a, b) => a + b);
  const weight = concatenate(weights);
  return {
    weight,
    bias: biases.length ? concatenate(biases) : undefined,
    outputs,
    inputs: weight.length / outputs,
  };
}
