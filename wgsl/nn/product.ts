import { type Constants, defineKernel, GpuError, type KernelTarget } from '../core/index.ts';
import type { Dispatch, DispatchContext } from './dispatch.ts';
import { dispatchVec4Product, type Vec4Product } from './product-vec4.ts';

/** Depth of the slabs in workgroup memory, in the portable variant. */
const SLAB_DEPTH = 16;
/** With fewer tiles than this a GPU is partly idle, so the portable variant uses smaller tiles. */
const BUSY_TILES = 256;
/** Rows of C of a subgroup at most, in the CPU variant: more share a panel of B, fewer keep their sums in the nearest cache. */
const CPU_ROWS = 72;
/** Depths of a panel of B: few, because each is a kernel of its own. Deeper ones leave the nearest cache. */
const PANEL_DEPTHS = [32, 64, 72];
/** WebGPU's minimum limit on workgroups along an axis. */
const MAX_GROUPS = 65535;

export const PRODUCT = defineKernel({
  label: 'nn/product',
  variants: {
    portable: {
      source: new URL('./product.wgsl', import.meta.url),
      constants: { DEPTH: SLAB_DEPTH },
      example: { SIDE: 16 },
    },
    cpu: {
      source: new URL('./product-cpu.wgsl', import.meta.url),
      example: { DEPTH: 64, IN_ONE: false, SUMS: CPU_ROWS, A_VEC4: true, B_VEC4: 1, C_VEC4: true },
      enables: ['subgroups'],
    },
  },
});

/** A matrix in a buffer, or one per (batch, head). Offset and strides count floats, as torch's `storage_offset` and `stride`. */
export interface Matrix {
  buffer: GPUBuffer;
  /** 0 unless given. */
  offset?: number;
  /** From one batch entry to the next, and from one head to the next; 0 unless given. */
  batchStride?: number;
  headStride?: number;
  rowStride: number;
  columnStride: number;
}

/** A contiguous row-major matrix with this many columns. */
export function matrix(buffer: GPUBuffer, columns: number): Matrix {
  return { buffer, rowStride: columns, columnStride: 1 };
}

/** The transpose, on the same buffer. */
export function transposed(matrix: Matrix): Matrix {
  return { ...matrix, rowStride: matrix.columnStride, columnStride: matrix.rowStride };
}

/** A batched matrix product, as BLAS's GEMM: C = alpha·A·B (+ bias) (+ residual) (+ C). */
export interface MatrixProduct {
  /** Prefix of the buffers' labels. */
  label: string;
  /** A is [rows, depth], B is [depth, columns], C is [rows, columns]. */
  rows: number;
  columns: number;
  depth: number;
  /** There are batches × heads products; 1 each unless given. */
  batches?: number;
  heads?: number;
  a: Matrix;
  b: Matrix;
  /** Its columnStride must be 1. */
  c: Matrix;
  /** 1 unless given. */
  alpha?: number;
  /** [columns] */
  bias?: GPUBuffer;
  /** Has the layout of C. */
  residual?: GPUBuffer;
  /** Adds to C instead of overwriting it. */
  accumulates?: boolean;
}

/**
 * Computes a matrix product in f32. Every sum is in f32 with ascending k.
 *
 * @throws GpuError for a product that exceeds WebGPU's limit on workgroups.
 */
export async function dispatchProduct(context: DispatchContext, product: MatrixProduct): Promise<Dispatch> {
  const { arena, target } = context;
  const { gpu } = arena;
  const vec4Product = target === 'cpu' ? undefined : asVec4Product(product);
  if (vec4Product) return dispatchVec4Product(context, vec4Product);
  const { label, rows, columns, depth, batches = 1, heads = 1, a, b, c, bias, residual } = product;
  if (c.columnStride !== 1) throw new Error(`${label}: the columns of C must be contiguous`);
  const tile = tileFor(target, product, gpu.subgroupSize);
  const groups = [Math.ceil(columns / tile.columns), Math.ceil(rows / tile.rows), batches * heads] as const;
  if (groups.some((count) => count > MAX_GROUPS)) {
    throw new GpuError(
      `${label}: a product of ${groups} workgroups exceeds WebGPU's limit. Use fewer crops (crops.count)`,
    );
  }
  const kernel = await gpu.kernel(PRODUCT, { constants: tile.constants, target });
  const uniform = arena.uniform(`${label}/product`, kernel.struct('Product').size);
  const numbers = kernel.pack('Product', {
    rows,
    columns,
    depth,
    heads,
    ...strides('a', a),
    ...strides('b', b),
    cOffset: c.offset ?? 0,
    cBatchStride: c.batchStride ?? 0,
    cHeadStride: c.headStride ?? 0,
    cRowStride: c.rowStride,
    alpha: product.alpha ?? 1,
    hasBias: Number(!!bias),
    hasResidual: Number(!!residual),
    accumulates: Number(!!product.accumulates),
  });
  gpu.write(uniform, numbers, 'parameters');
  // A placeholder for inputs that the product does not read.
  const unused = arena.buffer(`${label}/unused`, 16);
  // A buffer bound for writing cannot be bound a second time.
  const unwritten = arena.buffer(`${label}/unwritten`, 16);
  const isVec4 = tile.constants.C_VEC4 === true;
  const bound = kernel.bind({
    product: uniform,
    a: a.buffer,
    b: b.buffer,
    bias: bias ?? unused,
    residual: residual ?? unused,
    c: isVec4 ? unwritten : c.buffer,
    ...(target === 'cpu' && {
      aVec4: a.buffer,
      bVec4: b.buffer,
      residualVec4: residual ?? unused,
      cVec4: isVec4 ? c.buffer : unwritten,
    }),
  });
  return { bound, groups };
}

/** The product in terms of `dispatchVec4Product`, if it is a single one of contiguous rows that are whole vec4s. */
function asVec4Product(product: MatrixProduct): Vec4Product | undefined {
  const { columns, depth, batches = 1, heads = 1, alpha = 1, a, b, c } = product;
  const isRows = (x: Matrix, width: number) => !x.offset && x.columnStride === 1 && x.rowStride === width;
  const bIsTransposed = isRows(transposed(b), depth);
  const fits =
    batches * heads === 1 &&
    alpha === 1 &&
    columns % 4 === 0 &&
    depth % 4 === 0 &&
    isRows(a, depth) &&
    isRows(c, columns) &&
    (bIsTransposed || isRows(b, columns));
  return fits ? { ...product, a: a.buffer, b: b.buffer, c: c.buffer, bIsTransposed } : undefined;
}

function strides(name: 'a' | 'b', { offset = 0, batchStride = 0, headStride = 0, ...matrix }: Matrix) {
  return {
    [`${name}Offset`]: offset,
    [`${name}BatchStride`]: batchStride,
    [`${name}HeadStride`]: headStride,
    [`${name}RowStride`]: matrix.rowStride,
    [`${name}ColumnStride`]: matrix.columnStride,
  };
}

/** Rows and columns of C per workgroup, and the constants that define them. */
interface Tile {
  rows: number;
  columns: number;
  constants: Constants;
}

function tileFor(target: KernelTarget, product: MatrixProduct, subgroup: number): Tile {
  return target === 'cpu' ? cpuTile(product, subgroup) : portableTile(product);
}

function cpuTile(product: MatrixProduct, lanes: number): Tile {
  const { depth } = product;
  const panelDepth = panelDepthFor(depth);
  const isInOne = depth <= panelDepth;
  return {
    rows: CPU_ROWS,
    columns: 4 * lanes,
    constants: {
      DEPTH: panelDepth,
      IN_ONE: isInOne,
      SUMS: isInOne ? 1 : CPU_ROWS,
      ...vec4Constants(product),
    },
  };
}

/** The least that holds the depth in one panel; otherwise the one that leaves least of the last panel empty. */
function panelDepthFor(depth: number): number {
  const padded = (panel: number) => Math.ceil(depth / panel) * panel;
  return (
    PANEL_DEPTHS.find((panel) => depth <= panel) ??
    PANEL_DEPTHS.slice(1).reduce((best, panel) => (padded(panel) < padded(best) ? panel : best))
  );
}

/** How the CPU variant reads A and B and writes C: see product-cpu.wgsl. */
function vec4Constants({ columns, depth, a, b, c }: MatrixProduct) {
  /** Whether rows of `width` are whole vec4s. */
  const hasVec4s = (matrix: Matrix, width: number) => {
    const { offset = 0, batchStride = 0, headStride = 0, rowStride, columnStride } = matrix;
    const aligned = [offset, batchStride, headStride, rowStride, width];
    return columnStride === 1 && aligned.every((floats) => floats % 4 === 0);
  };
  const columnsOfB = hasVec4s(transposed(b), depth) ? 2 : 0;
  return {
    A_VEC4: hasVec4s(a, depth),
    B_VEC4: hasVec4s(b, columns) ? 1 : columnsOfB,
    C_VEC4: hasVec4s(c, columns),
  };
}

/** Whether a product is faster if the columns of B [depth, columns] are contiguous instead of its rows. */
export function prefersRows({ target }: DispatchContext, depth: number, columns: number): boolean {
  return target === 'cpu' && depth % 4 === 0 && columns % 4 === 0;
}

function portableTile({ rows, columns, batches = 1, heads = 1 }: MatrixProduct): Tile {
  const tiles = Math.ceil(rows / 64) * Math.ceil(columns / 64) * batches * heads;
  const side = tiles >= BUSY_TILES ? 16 : 8;
  return { rows: 4 * side, columns: 4 * side, constants: { SIDE: side } };
}
