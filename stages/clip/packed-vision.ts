import type { Arena } from '../../wgsl/core/index.ts';
import {
  headMap,
  type PackedEncoder,
  type PackedLayer,
  packLinear,
  safeScale,
  toHalf,
} from '../../wgsl/transformer/weights.ts';
import { headNames, type LayerNames, layerNames, VISION_NAMES, visionTensors } from './tensors.ts';
import { type Towers, tokenCount, type VisionTower } from './towers.ts';
import { type TensorSource, WeightLoader } from './weights.ts';

/** The image encoder as operands of tensor cores, in f16. @throws InputError with the file and the tensor that is missing or invalid. */
export async function packVision(
  arena: Arena,
  towers: Towers,
  weights: TensorSource,
): Promise<PackedEncoder> {
  const load = new WeightLoader(arena, weights, visionTensors(towers));
  const { vision } = towers;
  const { width, heads, hasProjection, hasPreNorm } = vision;
  const names = VISION_NAMES;
  const layers: PackedLayer[] = [];
  for (let i = 0; i < vision.layers; i++) {
    layers.push(await packLayer(arena, load, `layer${i}`, layerNames('vision_model', i), vision));
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
    patch: await packLinear(arena, 'patch', await load.linearValues(names.patch)),
    embeddings: await tokenEmbeddings(arena, load, vision),
    preNorm: hasPreNorm ? await load.layerNorm(names.preNorm, vision.epsilon) : undefined,
    layers,
    pooling: vision.pooling === 'class' ? { kind: 'class' } : await packHead(arena, load, vision),
    projection: hasProjection
      ? await packLinear(arena, 'projection', await load.linearValues(names.projection), {
          norm: await load.normValues(names.postNorm),
        })
      : undefined,
  };
}

async function packLayer(
  arena: Arena,
  load: WeightLoader,
  label: string,
  { norm1, q, k, v, out, norm2, fc1, fc2 }: LayerNames,
  { width, heads }: VisionTower,
  projections = [q, k, v],
): Promise<PackedLayer> {
  const tiles = Math.ceil(width / heads / 16);
  const map = (parts: number) => headMap(parts, heads, width / heads, tiles);
  return {
    qkv: await packLinear(arena, `${label}/qkv`, await load.linearValues(...projections), {
      norm: await load.normValues(norm1),
      outputMap: map(projections.length),
    }),
    out: await packLinear(arena, `${label}/out`, await load.linearValues(out), {
      inputMap: map(1),
    }),
    fc1: await packLinear(arena, `${label}/fc1`, await load.linearValues(fc1), {
      norm: await load.normValues(norm2),
    }),
    fc2: await packLinear(arena, `${label}/fc2`, await load.linearValues(fc2)),
  };
}

/** The attention-pooling head: a layer whose query is the same for all images, computed here in double precision. */
async function packHead(
  arena: Arena,
  load: WeightLoader,
  tower: VisionTower,
): Promise<PackedEncoder['pooling']> {
  const { width, heads } = tower;
  const names = headNames();
  const layer = await packLayer(arena, load, 'head', names, tower, [names.k, names.v]);
  const probe = await load.floats(VISION_NAMES.probe);
  const { weight, bias } = await load.linearValues(names.q);
  const query = Float64Array.from({ length: width }, (_, output) => {
    const row = weight.subarray(output * width, (output + 1) * width);
    return row.reduce((sum, value, i) => sum + value * probe[i], bias?.[output] ?? 0);
  });
  const scale = safeScale(query.reduce((most, value) => Math.max(most, Math.abs(value)), 0));
  const map = headMap(1, heads, width / heads, Math.ceil(width / heads / 16));
  // By head, one tile of queries, of which row 0 exists.
  const tiles = new Uint16Array(map.length * 16);
  map.forEach((output, column) => {
    if (output < width) tiles[Math.floor(column / 16) * 256 + (column % 16)] = toHalf(scale * query[output]);
  });
  const buffer = arena.upload('head/queries', tiles, 'weights');
  return { kind: 'attention', queries: { buffer, scale }, layer };
}

/** The class embedding, if any, and the embeddings of all positions, summed: f32 [tokens, width]. */
async function tokenEmbeddings(arena: Arena, load: WeightLoader, tower: VisionTower): Promise<GPUBuffer> {
  const sum = Float32Array.from(await load.floats(VISION_NAMES.positions));
  if (tower.hasClassToken) {
    const token = await load.floats(VISION_NAMES.classToken);
    for (let i = 0; i < tower.width; i++) sum[i] += token[i];
  }
  if (sum.length !== tokenCount(tower) * tower.width) throw new Error('one embedding a token is expected');
  return arena.upload('embeddings', sum, 'weights');
}
