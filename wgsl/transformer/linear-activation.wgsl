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
@group(0) @binding(1) var<storage, read> a: buffer;
@group(0) @binding(2) var<storage, read> b: buffer;
@group(0) @binding(3) var<storage, read> bias: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> inputs: array<vec4<f16>>;
@group(0) @binding(5) var<storage, read_write> hidden: array<vec4<f16>>;

fn finish(row: u32, column: u32, sum: vec4f) {
  let value = product.scale * sum + bias[column / 4u];
  let i = tiled(row, column, product.columnTiles) / 4u;
  inputs[i] = vec4<f16>(product.outputScale * value);
  hidden[i] = vec4<f16>(product.outputScale * vec4f(gelu(value.x), gelu(value.y), gelu(value.z), gelu(value.w)));
}
