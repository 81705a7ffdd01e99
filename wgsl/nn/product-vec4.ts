import { type Constants, defineKernel } from '../core/index.ts';
import type { Dispatch, DispatchContext } from './dispatch.ts';

/** A tile of C per workgroup, and how its invocations share the work: see product-vec4.wgsl. All are powers of two. */
export interface Vec4Tile {
  rows: number;
  columns: number;
  /** Entries of C per invocation: 4 or 8 in each direction. */
  cellRows: number;
  cellColumns: number;
  /** Groups of invocations that share the depth. */
  kGroups: number;
  /** Depth of the slab of each group in workgroup memory. */
  depth: number;
}

export const PRODUCT_VEC4 = defineKernel({
  label: 'nn/product-vec4',
  example: {
    ...tileConstants({ rows: 64, columns: 64, cellRows: 8, cellColumns: 8, kGroups: 2, depth: 16 }),
    B_BY_DEPTH: true,
    HAS_BIAS: true,
    HAS_RESIDUAL: true,
    ACCUMULATES: false,
    ACTIVATION: 1,
    GELU_KIND: 0,
  },
  variants: { portable: { source: new URL('./product-vec4.wgsl', import.meta.url) } },
});

/** C = A·B (+ bias) (+ residual) (+ C), then the activation. Buffers hold contiguous rows. */
export interface Vec4Product {
  label: string;
  /** A is [rows, depth], C and the residual are [rows, columns]. `columns` and `depth` are multiples of 4. */
  rows: number;
  columns: number;
  depth: number;
  a: GPUBuffer;
  b: GPUBuffer;
  c: GPUBuffer;
  /** Whether B's buffer is its transpose, [columns, depth], as a linear layer's weight is. */
  bIsTransposed: boolean;
  bias?: GPUBuffer;
  residual?: GPUBuffer;
  accumulates?: boolean;
  activation?: {
    /** `apply`: stores the sums in `preactivation`, C = gelu(sums). `differentiate`: C = sums·gelu′(preactivation). */
    role: 'apply' | 'differentiate';
    constants: Constants;
    /** [rows, columns] */
    preactivation: GPUBuffer;
  };
}

/** Computes a product on a GPU. The sums of an entry are grouped by depth in a fixed way that depends on the shape alone. */
export async function dispatchVec4Product(
  { arena }: DispatchContext,
  product: Vec4Product,
  tile = vec4TileFor(product),
): Promise<Dispatch> {
  const { label, rows, columns, depth, a, b, c, bias, residual, activation } = product;
  const { gpu } = arena;
  const kernel = await gpu.kernel(PRODUCT_VEC4, {
    target: 'portable',
    constants: {
      ...tileConstants(tile),
      B_BY_DEPTH: product.bIsTransposed,
      HAS_BIAS: !!bias,
      HAS_RESIDUAL: !!residual,
      ACCUMULATES: !!product.accumulates,
      ACTIVATION: activation ? (activation.role === 'apply' ? 1 : 2) : 0,
      ...(activation?.constants ?? { GELU_KIND: 0 }),
    },
  });
  const uniform = arena.uniform(`${label}/product`, kernel.struct('Product').size);
  const numbers = kernel.pack('Product', {
    rows,
    columns: columns / 4,
    depth: depth / 4,
    aStride: depth / 4,
    bStride: (product.bIsTransposed ? depth : columns) / 4,
    cStride: columns / 4,
  });
  gpu.write(uniform, numbers, 'parameters');
  // A placeholder for inputs that the product does not read.
  const unused = arena.buffer(`${label}/unused`, 16);
  const bound = kernel.bind({
    product: uniform,
    a,
    b,
    bias: bias ?? unused,
    residual: residual ?? unused,
    // A buffer bound for writing cannot be bound a second time.
    preactivation: activation?.preactivation ?? arena.buffer(`${label}/unwritten`, 16),
    c,
  });
  return { bound, groups: [Math.ceil(columns / tile.columns), Math.ceil(rows / tile.rows), 1] };
}

/** Workgroups that a large GPU runs at once, one for each core: an H100 has 132. */
const CORES = 132;

/** A tile and what it takes on an H200 at a depth of 768, in µs: `latency` once, and `work` for each tile of a core. */
type MeasuredTile = Vec4Tile & { latency: number; work: number };

export const VEC4_TILES: readonly MeasuredTile[] = [
  { rows: 64, columns: 64, cellRows: 8, cellColumns: 8, kGroups: 2, depth: 16, latency: 9, work: 24.3 },
  { rows: 32, columns: 32, cellRows: 4, cellColumns: 4, kGroups: 4, depth: 16, latency: 5.6, work: 8.3 },
  { rows: 16, columns: 16, cellRows: 4, cellColumns: 4, kGroups: 16, depth: 8, latency: 2.6, work: 4.15 },
];

/** The tile with the least time on the busiest core. */
export function vec4TileFor({ rows, columns }: Pick<Vec4Product, 'rows' | 'columns'>): Vec4Tile {
  const time = (tile: MeasuredTile) => {
    const groups = Math.ceil(rows / tile.rows) * Math.ceil(columns / tile.columns);
    return tile.latency + tile.work * Math.ceil(groups / CORES);
  };
  return VEC4_TILES.reduce((best, tile) => (time(tile) < time(best) ? tile : best));
}

function tileConstants({ rows, columns, cellRows, cellColumns, kGroups, depth }: Vec4Tile): Constants {
  return {
    ROWS: rows,
    COLUMNS: columns,
    CELL_ROWS: cellRows,
    CELL_COLUMNS: cellColumns,
    K_GROUPS: kGroups,
    DEPTH: depth,
  };
}
