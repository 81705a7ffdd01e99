import { type Arena, type Constants, defineKernel, type KernelDefinition } from '../core/index.ts';
import type { Dispatch } from '../nn/dispatch.ts';
import { type Activation, activationConstants } from '../nn/elementwise.ts';
import type { PackedLinear } from './weights.ts';

/** WGSL extensions of the kernels that multiply on tensor cores. */
export const MATRIX_EXTENSIONS = ['f16', 'subgroups', 'chromium_experimental_subgroup_matrix'] as const;

const SHAPE = { FM: 2, FN: 2, SM: 1, SN: 1, SK: 4, UNROLL: 2 };

function defineProduct(file: URL, label: string, example: Constants): KernelDefinition {
  return defineKernel({
    label: `transformer/${label}`,
    example: { ...SHAPE, ...example },
    variants: { portable: { source: file, enables: MATRIX_EXTENSIONS } },
  });
}

export const LINEAR = defineProduct(new URL('./linear.wgsl', import.meta.url), 'linear', {
  HAS_BIAS: true,
  HAS_ROW_SCALES: true,
  HAS_RESIDUAL: true,
  ACCUMULATES: true,
});
export const LINEAR_ACTIVATION = defineProduct(
  new URL('./linear-activation.wgsl', import.meta.url),
  'linear-activation',
  activationConstants('gelu'),
);
export const LINEAR_ACTIVATION_BACKWARD = defineProduct(
  new URL('./linear-activation-backward.wgsl', import.meta.url),
  'linear-activation-backward',
  activationConstants('gelu'),
);
export const LINEAR_HEADS = defineProduct(new URL('./linear-heads.wgsl', import.meta.url), 'linear-heads', {
  HAS_BIAS: true,
  HEAD_TILES: 4,
  FIRST_PART: 0,
});

/**
 * Fragments a subgroup, subgroups along rows and columns, subgroups that share the depth, and steps whose loads are under way together:
 * see fragment-product.wgsl.
 */
export interface ProductShape {
  FM: 1 | 2 | 4;
  FN: 1 | 2;
  SM: number;
  SN: number;
  SK: number;
  UNROLL: 1 | 2;
}

const MEASURED = {
  huge: { FM: 4, FN: 2, SM: 2, SN: 2, SK: 1, UNROLL: 1 },
  large: { FM: 4, FN: 2, SM: 1, SN: 2, SK: 2, UNROLL: 1 },
  wide: { FM: 4, FN: 2, SM: 1, SN: 1, SK: 1, UNROLL: 1 },
  wideDeep: { FM: 4, FN: 2, SM: 1, SN: 1, SK: 1, UNROLL: 2 },
  medium: { FM: 2, FN: 2, SM: 1, SN: 1, SK: 2, UNROLL: 2 },
  mediumDeep: { FM: 4, FN: 2, SM: 1, SN: 1, SK: 2, UNROLL: 2 },
  small: { FM: 4, FN: 2, SM: 1, SN: 1, SK: 4, UNROLL: 1 },
  smallWide: { FM: 2, FN: 2, SM: 1, SN: 1, SK: 4, UNROLL: 1 },
  smallDeep: { FM: 2, FN: 2, SM: 1, SN: 1, SK: 8, UNROLL: 1 },
  skinny: { FM: 1, FN: 1, SM: 1, SN: 1, SK: 8, UNROLL: 2 },
  skinnyWide: { FM: 2, FN: 1, SM: 1, SN: 1, SK: 8, UNROLL: 2 },
  skinnyDeep: { FM: 2, FN: 1, SM: 1, SN: 1, SK: 16, UNROLL: 2 },
} as const satisfies Record<string, ProductShape>;

/**
 * The fastest of the shapes that were measured, on an H200, for products of ViT-B and ViT-L with 50 to 16,448 rows. Small products split the
 * depth, which keeps the multiprocessors busy. Unrolled subgroups take more registers, so fewer of them run at a time.
 */
export function shapeOf(rowTiles: number, columnTiles: number, depthTiles: number): ProductShape {
  const shape = measuredShape(rowTiles, columnTiles, depthTiles);
  return depthTiles % (shape.UNROLL * shape.SK) ? { ...shape, UNROLL: 1 } : shape;
}

function measuredShape(rowTiles: number, columnTiles: number, depthTiles: number): ProductShape {
  // Subgroups of 4 × 2 fragments, without a split of the depth.
  const groups = Math.ceil(rowTiles / 4) * Math.ceil(columnTiles / 2);
  const isDeep = depthTiles >= 128;
  if (groups >= 6000) return MEASURED.huge;
  if (groups >= 4300) return isDeep ? MEASURED.wideDeep : MEASURED.large;
  if (isWholeWaves(groups)) return MEASURED.wide;
  if (groups >= 1500) return MEASURED.large;
  if (groups >= 1150) return isDeep ? MEASURED.wideDeep : MEASURED.medium;
  if (groups >= 1000) return MEASURED.large;
  if (groups >= 550) return isDeep ? MEASURED.mediumDeep : MEASURED.medium;
  if (groups >= 400) return MEASURED.small;
  const tiles = rowTiles * columnTiles;
  if (tiles > 800) return isDeep || tiles < 1500 ? MEASURED.smallDeep : MEASURED.smallWide;
  if (isDeep) return MEASURED.skinnyDeep;
  return columnTiles >= 128 ? MEASURED.skinnyWide : MEASURED.skinny;
}

/** Whether subgroups of 4 × 2 fragments fill an H200 about once or twice: 132 multiprocessors run 16 each. */
function isWholeWaves(groups: number): boolean {
  return (groups >= 1700 && groups <= 2112) || (groups >= 3800 && groups <= 4224);
}

/** Which packed matrix of a layer multiplies: `forward` y = x·Wᵀ, `backward` dx = dy·W. */
type Direction = 'forward' | 'backward';

interface ProductUse {
  arena: Arena;
  layer: PackedLinear;
  direction: Direction;
  rows: number;
  /** f16, tiled [rows, inputs] forward and [rows, outputs] backward. */
  a: GPUBuffer;
}

async function dispatch(
  definition: KernelDefinition,
  { arena, layer, direction, rows, a }: ProductUse,
  constants: Constants,
  numbers: Record<string, number>,
  bindings: Record<string, GPUBuffer>,
): Promise<Dispatch> {
  const [depth, columns] =
    direction === 'forward' ? [layer.inputs, layer.outputs] : [layer.outputs, layer.inputs];
  const [rowTiles, columnTiles, depthTiles] = [rows, columns, depth].map((count) => Math.ceil(count / 16));
  const shape = shapeOf(rowTiles, columnTiles, depthTiles);
  const kernel = await arena.gpu.kernel(definition, { constants: { ...shape, ...constants } });
  const uniform = arena.uniform(`${definition.label}/product`, kernel.struct('Product').size);
  const sizes = { rows, columns, depthTiles, columnTiles, ...numbers };
  arena.gpu.write(uniform, kernel.pack('Product', sizes), 'parameters');
  const bound = kernel.bind({ product: uniform, a, b: layer[direction], ...bindings });
  const { FM, FN, SM, SN } = shape;
  return { bound, groups: [Math.ceil(columnTiles / (FN * SN)), Math.ceil(rowTiles / (FM * SM)), 1] };
}

/** y f32 [rows, columns] = scale·rowScales·(a·b) + bias + residual. */
export function dispatchLinear(
  use: ProductUse & {
    y: GPUBuffer;
    /** Columns of y, without the padding of b. */
    columns: number;
    /** Multiplies the product, beside the layer's own scale. */
    scale?: number;
    /** f32 [rows] */
    rowScales?: GPUBuffer;
    /** f32; row r of y adds its row r·residualStride. */
    residual?: GPUBuffer;
    residualStride?: number;
    /** Adds to y. */
    accumulates?: boolean;
  },
): Promise<Dispatch> {
  const { arena, layer, direction, y, rowScales, residual, residualStride = 1, accumulates = false } = use;
  const bias = direction === 'forward' ? layer.bias : undefined;
  const unused = bias && rowScales && residual ? undefined : arena.buffer('linear/unused', 16);
  return dispatch(
    LINEAR,
    use,
    {
      HAS_BIAS: !!bias,
      HAS_ROW_SCALES: !!rowScales,
      HAS_RESIDUAL: !!residual,
      ACCUMULATES: accumulates,
    },
    {
      residualStride,
      scale: layer.scale * (use.scale ?? 1),
      columns: use.columns,
    },
    {
      bias: bias ?? unused!,
      rowScales: rowScales ?? unused!,
      residual: residual ?? unused!,
      y,
    },
  );
}

/** hidden = act(a·b + bias), and its input, f16 tiled, both multiplied by outputScale. */
export function dispatchLinearActivation(
  use: Omit<ProductUse, 'direction'> & {
    activation: Activation;
    scale: number;
    outputScale: number;
    inputs: GPUBuffer;
    hidden: GPUBuffer;
  },
): Promise<Dispatch> {
  const { layer, inputs, hidden, scale, outputScale } = use;
  return dispatch(
    LINEAR_ACTIVATION,
    { ...use, direction: 'forward' },
    activationConstants(use.activation),
    { scale: layer.scale * scale, outputScale },
    { bias: layer.bias!, inputs, hidden },
  );
}

/** gradInputs = scale·(a·b)·act'(inputs), f16 tiled; `inputs` is multiplied by inputScale. */
export function dispatchLinearActivationBackward(
  use: Omit<ProductUse, 'direction'> & {
    activation: Activation;
    scale: number;
    inputScale: number;
    inputs: GPUBuffer;
    gradInputs: GPUBuffer;
  },
): Promise<Dispatch> {
  const { layer, inputs, gradInputs, scale, inputScale } = use;
  return dispatch(
    LINEAR_ACTIVATION_BACKWARD,
    { ...use, direction: 'backward' },
    activationConstants(use.activation),
    { scale: layer.scale * scale, inputScale },
    { inputs, gradInputs },
  );
}

/** a·b (+ bias) by head, f16, multiplied by outputScale: the operands of attention. */
export function dispatchLinearHeads(
  use: ProductUse & {
    heads: GPUBuffer;
    headCount: number;
    headTiles: number;
    /** Rows an image. */
    tokens: number;
    sectionSize: number;
    /** 0: queries, keys and values; 1: keys and values. */
    firstPart: number;
    outputScale: number;
  },
): Promise<Dispatch> {
  const { arena, layer, direction, heads, headCount, headTiles, tokens, sectionSize, outputScale } = use;
  const bias = direction === 'forward' ? layer.bias : undefined;
  return dispatch(
    LINEAR_HEADS,
    use,
    { HAS_BIAS: !!bias, HEAD_TILES: headTiles, FIRST_PART: use.firstPart },
    {
      tokens,
      tokenTiles: Math.ceil(tokens / 16),
      headCount,
      sectionSize,
      scale: layer.scale,
      outputScale,
    },
    { bias: bias ?? arena.buffer('linear/unused', 16), heads },
  );
}
