import { type Arena, type BoundKernel, type Constants, GpuError } from '../core/index.ts';
import type { Tuning } from './tuning.ts';

/** A kernel with its buffers and its grid: one entry of a program. */
export interface Dispatch {
  bound: BoundKernel;
  groups: readonly [number, number, number];
}

/** An operand A [rows, depth] or B [depth, columns] of one product per (batch, head); strides and offset in floats. */
export interface Operand {
  buffer: GPUBuffer;
  offset?: number;
  batch?: number;
  head?: number;
  /** From one row of A, or one column of B, to the next. */
  outer: number;
  /** From one k to the next. */
  depth: number;
}

/** The result C: columns are contiguous. */
export interface Result {
  buffer: GPUBuffer;
  offset?: number;
  batch?: number;
  head?: number;
  row: number;
}

export interface ProductSpec {
  /** Names its buffers. */
  label: string;
  rows: number;
  columns: number;
  depth: number;
  batches?: number;
  heads?: number;
  a: Operand;
  b: Operand;
  c: Result;
  alpha?: number;
  /** [columns] */
  bias?: GPUBuffer;
  /** Added to C; lies as C does. */
  residual?: GPUBuffer;
  /** Adds to what C holds instead of replacing it. */
  accumulate?: boolean;
}

/** Depth of the slabs in workgroup memory of the tiled body. */
const DEPTH = 16;
/** Fewer tiles than this leave a GPU idle: smaller tiles then. */
const BUSY_TILES = 256;
const MAX_GROUPS = 65535;
/** Rows of C that a subgroup of the shuffling body sums at once; measured: 8 lose a fifth, more gain nothing. */
const SHUFFLE_ROWS = 16;

/**
 * Binds C[m,n] = alpha·Σ A[m,k]·B[k,n] (+ bias[n]) (+ residual) (+ C), f32 with f32 sums, k ascending. y = x·Wᵀ + b, its
 * gradient dy·W and all products inside attention are this one with different strides.
 */
export async function bindProduct(arena: Arena, tuning: Tuning, spec: ProductSpec): Promise<Dispatch> {
  const { gpu } = arena;
  const { rows, columns, depth, batches = 1, heads = 1, a, b, c } = spec;
  const shape = shapeOf(tuning, spec, gpu.adapter.subgroupMaxSize);
  const kernel = await gpu.kernel({
    label: `nn/product_${tuning.product}`,
    source: shape.source,
    enables: shape.enables,
    constants: shape.constants,
  });
  const uniform = arena.uniform(`${spec.label}/shape`, kernel.struct('Product').size);
  const numbers = kernel.pack('Product', {
    rows,
    columns,
    depth,
    heads,
    aOffset: a.offset ?? 0,
    aBatch: a.batch ?? 0,
    aHead: a.head ?? 0,
    aRow: a.outer,
    aDepth: a.depth,
    bOffset: b.offset ?? 0,
    bBatch: b.batch ?? 0,
    bHead: b.head ?? 0,
    bDepth: b.depth,
    bColumn: b.outer,
    cOffset: c.offset ?? 0,
    cBatch: c.batch ?? 0,
    cHead: c.head ?? 0,
    cRow: c.row,
    alpha: spec.alpha ?? 1,
    hasBias: Number(!!spec.bias),
    hasResidual: Number(!!spec.residual),
    accumulates: Number(!!spec.accumulate),
  });
  gpu.write(uniform, numbers, 'parameters');
  // A buffer bound for writing may not be bound again: what this product does not read gets one of its own.
  const unused = spec.bias && spec.residual ? undefined : arena.buffer(`${spec.label}/unused`, 16);
  const bound = kernel.bind({
    product: uniform,
    a: a.buffer,
    b: b.buffer,
    bias: spec.bias ?? unused!,
    residual: spec.residual ?? unused!,
    c: c.buffer,
  });
  const groups = [Math.ceil(columns / shape.columns), Math.ceil(rows / shape.rows), batches * heads] as const;
  if (groups.some((count) => count > MAX_GROUPS)) {
    throw new GpuError(
      `${spec.label}: a product of ${groups} workgroups is more than WebGPU dispatches; use a smaller batch`,
    );
  }
  return { bound, groups };
}

interface Shape {
  source: URL;
  enables?: string[];
  constants: Constants;
  /** Of C, per workgroup. */
  rows: number;
  columns: number;
}

function shapeOf({ product }: Tuning, spec: ProductSpec, subgroup: number): Shape {
  switch (product) {
    case 'rows':
      return rowsShape(subgroup);
    case 'shuffle':
      return shuffleShape(spec, subgroup);
    case 'tiled':
      return tiledShape(spec);
  }
}

function rowsShape(subgroup: number): Shape {
  const lanes = Math.max(8, Math.min(32, subgroup));
  return {
    source: new URL('./product-rows.wgsl', import.meta.url),
    constants: { LANES: lanes },
    rows: 8,
    columns: 4 * lanes,
  };
}

/** Wide tiles, unless narrow ones overhang less, or the registers of 16 lanes would spill. */
function shuffleShape({ columns }: ProductSpec, lanes: number): Shape {
  const [narrow, wide] = [4 * lanes, 8 * lanes];
  const far = lanes <= 8 && Math.ceil(columns / wide) * wide <= Math.ceil(columns / narrow) * narrow;
  return {
    source: new URL('./product-shuffle.wgsl', import.meta.url),
    enables: ['subgroups'],
    constants: { LANES: lanes, ROWS: SHUFFLE_ROWS, FAR: far },
    rows: SHUFFLE_ROWS,
    columns: far ? wide : narrow,
  };
}

function tiledShape({ rows, columns, batches = 1, heads = 1 }: ProductSpec): Shape {
  const tiles = Math.ceil(rows / 64) * Math.ceil(columns / 64) * batches * heads;
  const side = tiles >= BUSY_TILES ? 16 : 8;
  return {
    source: new URL('./product-tiled.wgsl', import.meta.url),
    constants: { SIDE: side, DEPTH },
    rows: 4 * side,
    columns: 4 * side,
  };
}
