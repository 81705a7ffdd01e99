// y = scale·rowScale[row]·(A·B) + bias + residual, in f32, row-major, of a multiple of four columns: linear layers that write to the residual stream, and gradients.
// `residual` is row `row·residualStride` of its matrix; with ACCUMULATES y itself is the residual.

#include <fragment-product>

struct Product {
  rows: u32,
  columns: u32,
  depthTiles: u32,
  columnTiles: u32,
  residualStride: u32,
  scale: f32,
}

@group(0) @binding(0) var<uniform> product: Product;
@group(0) @binding(1) var<storage, read> a: buffer;
@group(0) @binding(2) var<storage, read> b: buffer;
@group(0) @binding(3) var<storage, read> bias: array<vec4f>;
@group(0) @binding(4) var<storage, read> rowScales: array<f32>;
@group(0) @binding(5) var<storage, read> residual: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> y: array<vec4f>;

fn finish(row: u32, column: u32, sum: vec4f) {
  let i = (row * product.columns + column) / 4u;
  var value = product.scale * sum;
  if (HAS_ROW_SCALES) {
    value *= rowScales[row];
  }
  if (HAS_BIAS) {
    value += bias[column / 4u];
  }
  if (HAS_RESIDUAL) {
    value += residual[(row * product.residualStride * product.columns + column) / 4u];
  }
  if (ACCUMULATES) {
    value += y[i];
  }
  y[i] = value;
}
