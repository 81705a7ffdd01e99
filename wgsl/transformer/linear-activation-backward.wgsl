// gradInputs = outputScale·(A·B)·act'(inputs / inputScale), tiled: the gradient that enters the activation, from the one that leaves the
// MLP. `inputs` are those that linear-activation stored.

#include <fragment-product>
#include <gelu>

struct Product {
  rows: u32,
  columns: u32,
  depthTiles: u32,
  columnTiles: u32,
  scale: f32,
  inputScale: f32,
}

@group(0) @binding(0) var<uniform> product: Product;
@group(0) @binding(1) var<storage, read> a: buffer;
@group(0) @binding(2) var<storage, read> b: buffer;
@group(0) @binding(3) var<storage, read> inputs: array<vec4<f16>>;
@group(0) @binding(4) var<storage, read_write> gradInputs: array<vec4<f16>>;

fn finish(row: u32, column: u32, sum: vec4f) {
  let i = tiled(row, column, product.columnTiles) / 4u;
  let x = vec4f(inputs[i]) / product.inputScale;
  let slope = vec4f(geluDerivative(x.x), geluDerivative(x.y), geluDerivative(x.z), geluDerivative(x.w));
  gradInputs[i] = vec4<f16>(product.scale * sum * slope);
}
