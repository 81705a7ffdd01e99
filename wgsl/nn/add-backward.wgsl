// dL/dx (+)= dL/dsum, elementwise: the gradient of each summand is that of the sum.

#include <grid>
#include <elementwise>
#include <input-gradient>

struct Sizes {
  accumulates: u32,
  count: u32,
}

@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> gradSum: array<f32>;
@group(0) @binding(2) var<storage, read_write> gradX: array<f32>;

fn computeElement(i: u32) {
  writeGradX(i, gradSum[i]);
}
