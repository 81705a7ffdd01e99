import { describeClip } from '../../stages/clip/directory.ts';
import { ClipModel, openClip } from '../../stages/clip/model.ts';
import { visionTensors } from '../../stages/clip/tensors.ts';
import type { Towers, VisionTower } from '../../stages/clip/towers.ts';
import type { TensorSource } from '../../stages/clip/weights.ts';
import type { Gpu } from '../../wgsl/core/index.ts';
import { uniform } from '../helpers/numbers.ts';

export const PRECISIONS = ['auto', 'f16', 'f32'] as const;
export type Precision = (typeof PRECISIONS)[number];

/** An image encoder's shape. */
interface Shape {
  side: number;
  patch: number;
  width: number;
  heads: number;
  layers: number;
  dimensions: number;
}

/** The image encoders that the bench fills with random weights. `tiny` is for tests. */
const SHAPES: Readonly<Record<string, Shape>> = {
  b32: { side: 224, patch: 32, width: 768, heads: 12, layers: 12, dimensions: 512 },
  b16: { side: 224, patch: 16, width: 768, heads: 12, layers: 12, dimensions: 512 },
  l14: { side: 224, patch: 14, width: 1024, heads: 16, layers: 24, dimensions: 768 },
  tiny: { side: 16, patch: 8, width: 64, heads: 2, layers: 2, dimensions: 32 },
};

/** The names that `--models` takes, and those that it takes unless given. */
export const CLIP_MODELS = ['b32', 'b16', 'l14', 'demo', 'tiny'] as const;
export const DEFAULT_CLIP_MODELS: readonly string[] = ['b32', 'b16', 'l14', 'demo'];

/**
 * The model of a name of `CLIP_MODELS`, or of a folder. Random weights exist in memory only, and their text encoder is the demo model's:
 * the bench embeds no text.
 */
export async function openBenchClip(gpu: Gpu, name: string, precision: Precision): Promise<ClipModel> {
  const shape = SHAPES[name];
  if (!shape) return openClip(gpu, name === 'demo' ? undefined : name, precision);
  const demo = await describeClip();
  const vision: VisionTower = {
    imageSize: shape.side,
    patch: shape.patch,
    width: shape.width,
    inner: 4 * shape.width,
    heads: shape.heads,
    layers: shape.layers,
    activation: 'quick_gelu',
    epsilon: 1e-5,
    hasPatchBias: false,
    hasClassToken: true,
    hasPreNorm: true,
    pooling: 'class',
    hasProjection: true,
  };
  const towers = { vision, text: demo.towers.text, dimensions: shape.dimensions };
  return new ClipModel(gpu, { ...demo, name, towers }, randomWeights(towers), precision);
}

/**
 * Seeded weights as a trained model's are distributed, so that no activation overflows: layer norms near 1, biases near 0, and products
 * with a variance of 1/inputs.
 */
function randomWeights(towers: Towers): TensorSource {
  const names = [...visionTensors(towers).keys()];
  return {
    async floats(name, shape) {
      const count = shape.reduce((product, length) => product * length, 1);
      const inputs = count / shape[0];
      const isNorm = /norm[12]?\.weight$/.test(name);
      const [center, half] = isNorm ? [1, 0.1] : shape.length > 1 ? [0, Math.sqrt(3 / inputs)] : [0, 0.02];
      const numbers = repeated(count, names.indexOf(name));
      for (let i = 0; i < count; i++) numbers[i] = center + half * numbers[i];
      return numbers;
    },
  };
}

const BLOCK = 1 << 20;
let block: Float32Array | undefined;

/** `count` numbers in [−1, 1): one block over and over, from another place for each tensor. */
function repeated(count: number, tensor: number): Float32Array {
  block ??= uniform(BLOCK, 21, -1, 1);
  const numbers = new Float32Array(count);
  let from = (tensor * 4099) % BLOCK;
  for (let at = 0; at < count; from = 0) {
    const part = block.subarray(from, Math.min(BLOCK, from + count - at));
    numbers.set(part, at);
    at += part.length;
  }
  return numbers;
}
