// y = x[offset + i]: a contiguous part of a tensor.

#include <grid>
#include <elementwise>

struct Sizes {
  count: u32,
  offset: u32,
}

@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

fn computeElement(i: u32) {
  y[i] = x[sizes.offset + i];
}
