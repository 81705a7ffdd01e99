// One matrix product per (batch, head), the operands given by strides, so that transposes and slices of packed tensors
// need no copies: C[m,n] = alpha · Σ_k A[m,k]·B[k,n] (+ bias[n]) (+ residual[m,n]) (+ C[m,n]). C's columns are contiguous,
// and `residual` lies as C does. Included by the kernels that compute it (nn/productRows, nn/productTiled).

struct Product {
  rows: u32,
  columns: u32,
  depth: u32,
  heads: u32,
  aOffset: u32,
  aBatch: u32,
  aHead: u32,
  aRow: u32,
  aDepth: u32,
  bOffset: u32,
  bBatch: u32,
  bHead: u32,
  bDepth: u32,
  bColumn: u32,
  cOffset: u32,
  cBatch: u32,
  cHead: u32,
  cRow: u32,
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

fn aStart(matrix: u32) -> u32 {
  return product.aOffset + matrix / product.heads * product.aBatch + matrix % product.heads * product.aHead;
}

fn bStart(matrix: u32) -> u32 {
  return product.bOffset + matrix / product.heads * product.bBatch + matrix % product.heads * product.bHead;
}

// What happens to a sum on its way to C; read once, before the loops (a uniform read costs a software adapter a load).
struct Finish {
  // Of C's row 0.
  start: u32,
  row: u32,
  columns: u32,
  alpha: f32,
  addsBias: bool,
  addsResidual: bool,
  accumulates: bool,
}

fn finishOf(matrix: u32) -> Finish {
  return Finish(
    product.cOffset + matrix / product.heads * product.cBatch + matrix % product.heads * product.cHead,
    product.cRow,
    product.columns,
    product.alpha,
    product.hasBias == 1u,
    product.hasResidual == 1u,
    product.accumulates == 1u,
  );
}

// Writes one entry inside the matrix. Callers write from loops whose bounds are not constants: each unrolled copy costs a
// software adapter's compiler some 100 ms.
fn put(finish: Finish, m: u32, n: u32, sum: f32) {
  let at = finish.start + m * finish.row + n;
  var value = finish.alpha * sum;
  if (finish.addsBias) {
    value += bias[n];
  }
  if (finish.addsResidual) {
    value += residual[at];
  }
  if (finish.accumulates) {
    value += c[at];
  }
  c[at] = value;
}

// How many of `count` rows from m on the matrix has.
fn rowsFrom(m: u32, count: u32) -> u32 {
  return min(count, product.rows - min(m, product.rows));
}
