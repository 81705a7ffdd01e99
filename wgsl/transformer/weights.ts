import type { Arena } from '../core/index.ts';
import { defineElementwise, dispatchElements } from '../nn/dispatch.ts';
import type { Activation } from '../nn/elementwise.ts';

export const PACK_TILES = defineElementwise(
  'transformer/pack-tiles',
  new URL('./pack-tiles.wgsl', import.meta.url),
  {},
  ['f16'],
);

/** A linear layer on the host, as torch.nn.Linear: weight [outputs, inputs]. */
export interface LinearValues {
  weight: Float32Array;
  bias?: Float32Array;
  outputs: number;
  inputs: number;
}

/** A layer normalisation before a linear layer, whose weight and bias become part of that layer. */
export interface NormValues {
  weight: Float32Array;
  bias: Float32Array;
}

/** A linear layer as operands of tensor cores, in f16 tiles. Rows and columns are padded to multiples of 16 with zeros. */
export interface PackedLinear {
  /** W, tiled [outputs, inputs], for y = x·Wᵀ. */
  forward: GPUBuffer;
  /** Wᵀ, tiled [inputs, outputs], for dx = dy·W. */
  backward: GPUBuffer;
  /** f32 [outputs] */
  bias?: GPUBuffer;
  /** Padded. */
  outputs: number;
  inputs: number;
  /** A power of two: products of the packed matrices are multiplied by it. The largest packed weight is in [1, 2). */
  scale: number;
  /** Largest length of a row and of a column of W, and largest magnitude of a bias: bounds of what the layer can return. */
  rowNorm: number;
  columnNorm: number;
  biasLimit: number;
}

/** The weights of one pre-norm layer, each layer norm part of the linear layer after it. */
export interface PackedLayer {
  /** Queries, keys and values of all heads, each head padded to whole tiles; keys and values only with shared queries. */
  qkv: PackedLinear;
  out: PackedLinear;
  fc1: PackedLinear;
  fc2: PackedLinear;
}

/** Queries of attention that all images share, f16 tiled by head, multiplied by `scale`, a power of two. */
export interface SharedQueries {
  buffer: GPUBuffer;
  scale: number;
}

/** A vision transformer for tensor cores: packed weights and shape. Programs of any batch size share it. */
export interface PackedEncoder {
  width: number;
  /** Of embeddings. */
  dimensions: number;
  headCount: number;
  headWidth: number;
  activation: Activation;
  epsilon: number;
  /** Pixels of an image's edge and of a patch's edge. */
  imageSize: number;
  patchSize: number;
  hasClassToken: boolean;
  patch: PackedLinear;
  /** f32 [tokens, width]: of each position, and of the class token in row 0. */
  embeddings: GPUBuffer;
  /** The layer norm before the first layer. */
  preNorm?: { weight: GPUBuffer; bias: GPUBuffer };
  layers: PackedLayer[];
  /**
   * How an image's embedding is taken: `class`, the first token of the last layer; `attention`, a further layer whose one query is the same
   * for all images, without the residual of its attention (SigLIP).
   */
  pooling: { kind: 'class' } | { kind: 'attention'; queries: SharedQueries; layer: PackedLayer };
  /** After the last layer norm; without it the stream itself is the embedding. */
  projection?: PackedLinear;
}

/** The largest value that a stored f16 may reach by the bounds of its layer: a quarter of f16's own. */
const LIMIT = 2 ** 14;

/** The largest power of two, at most 1, that brings a bound below the limit. */
export function safeScale(bound: number): number {
  return 2 ** Math.min(0, Math.floor(Math.log2(LIMIT / Math.max(bound, 1))));
}

const PADDING = 0xffffffff;

/** `count` numbers in order, padded to a multiple of 16. */
function identityMap(count: number): Uint32Array {
  return Uint32Array.from({ length: Math.ceil(count / 16) * 16 }, (_, i) => (i < count ? i : PADDING));
}

/** The numbers of `parts` matrices of all heads side by side, each head of `width` padded to `headTiles` tiles. */
export function headMap(parts: number, heads: number, width: number, headTiles: number): Uint32Array {
  const padded = 16 * headTiles;
  return Uint32Array.from({ length: parts * heads * padded }, (_, i) =>
    i % padded < width ? Math.floor(i / padded) * width + (i % padded) : PADDING,
  );
}

/**
 * Packs a linear layer, preceded by a layer normalisation if given: W·diag(norm.weight), bias + W·norm.bias. `arena` owns the buffers.
 * `outputMap` and `inputMap` say which row and column of W each packed one is.
 */
export async function packLinear(
  arena: Arena,
  label: string,
  layer: LinearValues,
  { norm, outputMap, inputMap }: { norm?: NormValues; outputMap?: Uint32Array; inputMap?: Uint32Array } = {},
): Promise<PackedLinear> {
  const { weight, outputs, inputs } = layer;
  const rows = outputMap ?? identityMap(outputs);
  const columns = inputMap ?? identityMap(inputs);
  const inputScales = norm?.weight ?? new Float32Array(inputs).fill(1);
  const columnSquares = new Float64Array(inputs);
  const bias = new Float64Array(outputs);
  let [largest, rowSquares, biasLimit] = [0, 0, 0];
  for (let o = 0; o < outputs; o++) {
    let [squares, shift] = [0, layer.bias?.[o] ?? 0];
    for (let i = 0, at = o * inputs; i < inputs; i++, at++) {
      const value = weight[at] * inputScales[i];
      const square = value * value;
      squares += square;
      columnSquares[i] += square;
      if (square > largest) largest = square;
      if (norm) shift += weight[at] * norm.bias[i];
    }
    bias[o] = shift;
    rowSquares = Math.max(rowSquares, squares);
    biasLimit = Math.max(biasLimit, Math.abs(shift));
  }
  const exponent = largest > 0 ? Math.floor(Math.log2(Math.sqrt(largest))) : 0;
  const hasBias = !!layer.bias || !!norm;
  const { gpu } = arena;
  const temporary = gpu.arena(`${label}/pack`);
  const packed = {
    forward: arena.buffer(`${label}/forward`, 2 * rows.length * columns.length),
    backward: arena.buffer(`${label}/backward`, 2 * rows.length * columns.length),
  };
  const dispatch = await dispatchElements({ arena: temporary, target: gpu.target }, PACK_TILES, {
    sizes: {
      count: rows.length * columns.length,
      inputs,
      outputTiles: rows.length / 16,
      inputTiles: columns.length / 16,
      scale: 2 ** -exponent,
    },
    bindings: {
      weight: temporary.upload('weight', weight, 'weights'),
      inputScales: temporary.upload('inputScales', inputScales, 'weights'),
      outputMap: temporary.upload('outputMap', rows, 'weights'),
      inputMap: temporary.upload('inputMap', columns, 'weights'),
      ...packed,
    },
  });
  gpu.run(`${label}/pack`, (recorder) => recorder.run(dispatch.bound, dispatch.groups));
  temporary.destroy();
  const padded = Float32Array.from(rows, (row) => (row === PADDING ? 0 : bias[row]));
  return {
    ...packed,
    bias: hasBias ? arena.upload(`${label}/bias`, padded, 'weights') : undefined,
    outputs: rows.length,
    inputs: columns.length,
    scale: 2 ** exponent,
    rowNorm: Math.sqrt(rowSquares),
    columnNorm: Math.sqrt(columnSquares.reduce((a, b) => Math.max(a, b), 0)),
    biasLimit,
  };
}

/** The bits of a number as an f16, rounded to the nearest, ties to even. Beyond f16's range it becomes infinity. */
export function toHalf(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const magnitude = Math.abs(value);
  if (Number.isNaN(value)) return 0x7e00;
  if (magnitude >= 65520) return sign | 0x7c00;
  // Below 2^-14 numbers are multiples of 2^-24.
  const exponent = Math.max(-14, Math.floor(Math.log2(magnitude)));
  const steps = roundToEven(magnitude * 2 ** (10 - exponent));
  // A normal number has 1024 ≤ steps; a rounding up to 2048 carries into the exponent by itself.
  return sign | (steps + (exponent + 14) * 1024);
}

function roundToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}
