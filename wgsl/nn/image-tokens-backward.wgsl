// gradX = dL/dpatches [B·patches, width] (+)= dL/dtokens [B, classTokens + patches, width] without the class tokens.

#include <grid>
#include <elementwise>
#include <input-gradient>

struct Sizes {
  accumulates: u32,
  count: u32,
  width: u32,
  // Per image.
  patches: u32,
  // 0 or 1.
  classTokens: u32,
}

@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> gradTokens: array<f32>;
@group(0) @binding(2) var<storage, read_write> gradX: array<f32>;

fn computeElement(i: u32) {
  let batch = i / (sizes.width * sizes.patches);
  writeGradX(i, gradTokens[i + (batch + 1u) * sizes.classTokens * sizes.width]);
}
