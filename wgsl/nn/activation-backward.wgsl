// dL/dx (+)= dL/dy·gelu′(x), elementwise.

#include <grid>
#include <elementwise>
#include <gelu>
#include <input-gradient>

struct Sizes {
  accumulates: u32,
  count: u32,
}

@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> gradY: array<f32>;
@group(0) @binding(3) var<storage, read_write> gradX: array<f32>;

fn computeElement(i: u32) {
  writeGradX(i, gradY[i] * geluDerivative(x[i]));
}
