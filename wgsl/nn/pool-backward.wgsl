// gradX = dL/dtokens [B, length, width] (+)= dL/dpooled [B, width] for token indices[b] of each sequence, and 0 for the others.

#include <grid>
#include <elementwise>
#include <input-gradient>

struct Sizes {
  accumulates: u32,
  count: u32,
  width: u32,
  length: u32,
}

@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> gradPooled: array<f32>;
@group(0) @binding(2) var<storage, read> indices: array<u32>;
@group(0) @binding(3) var<storage, read_write> gradX: array<f32>;

fn computeElement(i: u32) {
  let batch = i / (sizes.width * sizes.length);
  var value = 0.0;
  if (i / sizes.width % sizes.length == indices[batch]) {
    value = gradPooled[batch * sizes.width + i % sizes.width];
  }
  writeGradX(i, value);
}
