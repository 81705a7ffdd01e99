// y = gelu(x), elementwise.

#include <grid>
#include <elementwise>
#include <gelu>

struct Sizes {
  count: u32,
}

@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

fn computeElement(i: u32) {
  y[i] = gelu(x[i]);
}
