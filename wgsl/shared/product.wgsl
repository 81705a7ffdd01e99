// Matrix products C = A·B, one per (batch, head). Strides describe A and B, so transposes and slices of packed tensors need no
// copies: C[m,n] = alpha · Σ_k A[m,k]·B[k,n] (+ bias[n]) (+ residual[m,n]) (+ C[m,n]). The columns of C are contiguous;
// `residual` has the layout of C. Included by the variants of nn/product.

// A is [rows, depth], B is [depth, columns], C is [rows, columns]. Offsets and strides count floats.
struct Product {
  rows: u32,
  columns: u32,
  depth: u32,
  heads: u32,
  aOffset: u32,
  aBatchStride: u32,
  aHeadStride: u32,
  aRowStride: u32,
  aColumnStride: u32,
  bOffset: u32,
  bBatchStride: u32,
  bHeadStride: u32,
  bRowStride: u32,
  bColumnStride: u32,
  cOffset: u32,
  cBatchStride: u32,
  cHeadStride: u32,
  cRowStride: u32,
  alpha: f32,
  hasBias: u32,
  hasResidual: u32,
  accumulates: u32,
}

@group(0) @binding(0) var<uniform> product: Product;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> residual: array<f32>;
@group(0) @binding(5) var<storage, read_write> c: array<f32>;

// First element of A, B and C of one product; `matrix` = batch · heads + head.
fn aStart(matrix: u32) -> u32 {
  return product.aOffset + matrix / product.heads * product.aBatchStride + matrix % product.heads * product.aHeadStride;
}

fn bStart(matrix: u32) -> u32 {
  return product.bOffset + matrix / product.heads * product.bBatchStride + matrix % product.heads * product.bHeadStride;
}

fn cStart(matrix: u32) -> u32 {
  return product.cOffset + matrix / product.heads * product.cBatchStride + matrix % product.heads * product.cHeadStride;
}

// The epilogue of a GEMM: from a sum to an entry of C. Read once, before the loops: on a software adapter each read of a uniform is
// a load.
struct Epilogue {
  start: u32,
  rowStride: u32,
  columns: u32,
  alpha: f32,
  addsBias: bool,
  addsResidual: bool,
  accumulates: bool,
}

fn epilogueOf(matrix: u32) -> Epilogue {
  return Epilogue(
    cStart(matrix),
    product.cRowStride,
    product.columns,
    product.alpha,
    product.hasBias == 1u,
    product.hasResidual == 1u,
    product.accumulates == 1u,
  );
}

// Writes C[m,n], which must be inside the matrix. Callers write from loops whose bounds are not constants: each unrolled copy
// costs the compiler of a software adapter about 100 ms.
fn writeC(epilogue: Epilogue, m: u32, n: u32, sum: f32) {
  let at = epilogue.start + m * epilogue.rowStride + n;
  var value = epilogue.alpha * sum;
  if (epilogue.addsBias) {
    value += bias[n];
  }
  if (epilogue.addsResidual) {
    value += residual[at];
  }
  if (epilogue.accumulates) {
    value += c[at];
  }
  c[at] = value;
}

// The number of the `count` rows from m on that are inside the matrix.
fn rowsFrom(m: u32, count: u32) -> u32 {
  return min(count, product.rows - min(m, product.rows));
}
