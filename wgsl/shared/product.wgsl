// One matrix product per (batch, head), the operands given by strides, so that transposes and slices of packed tensors
// need no copies: C[m,n] = alpha · Σ_k A[m,k]·B[k,n] (+ bias[n]) (+ residual[m,n]) (+ C[m,n]). C's columns are contiguous,
// and `residual` lies as C does. Included by the kernels that compute it (nn/product_rows, nn/product_tiled).

struct Product {
  rows: u32,
  columns: u32,
  depth: u32,
  heads: u32,
  a_offset: u32,
  a_batch: u32,
  a_head: u32,
  a_row: u32,
  a_depth: u32,
  b_offset: u32,
  b_batch: u32,
  b_head: u32,
  b_depth: u32,
  b_column: u32,
  c_offset: u32,
  c_batch: u32,
  c_head: u32,
  c_row: u32,
  alpha: f32,
  has_bias: u32,
  has_residual: u32,
  accumulates: u32,
}

@group(0) @binding(0) var<uniform> product: Product;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> residual: array<f32>;
@group(0) @binding(5) var<storage, read_write> c: array<f32>;

fn a_start(matrix: u32) -> u32 {
  return product.a_offset + matrix / product.heads * product.a_batch + matrix % product.heads * product.a_head;
}

fn b_start(matrix: u32) -> u32 {
  return product.b_offset + matrix / product.heads * product.b_batch + matrix % product.heads * product.b_head;
}

// What happens to a sum on its way to C; read once, before the loops (a uniform read costs a software adapter a load).
struct Finish {
  // Of C's row 0.
  start: u32,
  row: u32,
  columns: u32,
  alpha: f32,
  adds_bias: bool,
  adds_residual: bool,
  accumulates: bool,
}

fn finish_of(matrix: u32) -> Finish {
  return Finish(
    product.c_offset + matrix / product.heads * product.c_batch + matrix % product.heads * product.c_head,
    product.c_row,
    product.columns,
    product.alpha,
    product.has_bias == 1u,
    product.has_residual == 1u,
    product.accumulates == 1u,
  );
}

// Writes one entry inside the matrix. Callers write from loops whose bounds are not constants: each unrolled copy costs a
// software adapter's compiler some 100 ms.
fn put(finish: Finish, m: u32, n: u32, sum: f32) {
  let at = finish.start + m * finish.row + n;
  var value = finish.alpha * sum;
  if (finish.adds_bias) {
    value += bias[n];
  }
  if (finish.adds_residual) {
    value += residual[at];
  }
  if (finish.accumulates) {
    value += c[at];
  }
  c[at] = value;
}

// How many of `count` rows from m on the matrix has.
fn rows_from(m: u32, count: u32) -> u32 {
  return min(count, product.rows - min(m, product.rows));
}
