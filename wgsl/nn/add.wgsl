// sum = x + y, elementwise.

#include <grid>
#include <elementwise>

struct Sizes {
  count: u32,
}

@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> y: array<f32>;
@group(0) @binding(3) var<storage, read_write> sum: array<f32>;

fn computeElement(i: u32) {
  sum[i] = x[i] + y[i];
}
