// Selects one token of each sequence: tokens [B, length, width] → pooled [B, width], the token with number indices[b].

#include <grid>
#include <elementwise>

struct Sizes {
  count: u32,
  width: u32,
  length: u32,
}

@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> tokens: array<f32>;
@group(0) @binding(2) var<storage, read> indices: array<u32>;
@group(0) @binding(3) var<storage, read_write> pooled: array<f32>;

fn computeElement(i: u32) {
  let batch = i / sizes.width;
  pooled[i] = tokens[(batch * sizes.length + indices[batch]) * sizes.width + i % sizes.width];
}
