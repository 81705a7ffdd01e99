// Tokens of a vision transformer, [B, classTokens + patches, width]: the class embedding if there is one, then the embedded patches
// [B·patches, width], each plus the embedding of its position.

#include <grid>
#include <elementwise>

struct Sizes {
  count: u32,
  width: u32,
  // Per image.
  patches: u32,
  // 0 or 1.
  classTokens: u32,
}

@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> patches: array<f32>;
@group(0) @binding(2) var<storage, read> classEmbedding: array<f32>;
@group(0) @binding(3) var<storage, read> positionEmbedding: array<f32>;
@group(0) @binding(4) var<storage, read_write> tokens: array<f32>;

fn computeElement(i: u32) {
  let channel = i % sizes.width;
  let length = sizes.patches + sizes.classTokens;
  let token = i / sizes.width % length;
  let batch = i / (sizes.width * length);
  var value = positionEmbedding[token * sizes.width + channel];
  if (token < sizes.classTokens) {
    value += classEmbedding[channel];
  } else {
    value += patches[(batch * sizes.patches + token - sizes.classTokens) * sizes.width + channel];
  }
  tokens[i] = value;
}
