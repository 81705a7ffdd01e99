// hidden = act(A·B + bias), tiled; keeps A·B + bias in `inputs` for backward. Both are stored in f16, multiplied by outputScale.

#include <fragment-product>
#include <gelu>

struct Product {
  rows: u32,
  columns: u32,
  depthTiles: u32,
  columnTiles: u32,
  scale: f32,
  outputScale: f32,
}

@group(0) @binding(0) var<uniform> product: Product;
@group(0) @binding(1) var<storage, read> a: array<f16>;
@group(0) @binding(2) var<storage, read> b: array<f16>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> inputs: array<f16>;
@group(0) @binding(5) var<storage, read_write> hidden: array<f16>;

fn finish(row: u32, column: u32, sum: f32) {
  let value = product.scale * sum + bias[column];
  let i = tiled(row, column, product.columnTiles);
  inputs[i] = f16(product.outputScale * value);
  hidden[i] = f16(product.outputScale * gelu(value));
}
