// Tokens of a vision transformer, [B, 1 + patches, width]: the class embedding, then the embedded patches [B·patches, width], each
// plus the embedding of its position.

#include <grid>
#include <elementwise>

struct Sizes {
  count: u32,
  width: u32,
  // Per image.
  patches: u32,
}

@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> patches: array<f32>;
@group(0) @binding(2) var<storage, read> classEmbedding: array<f32>;
@group(0) @binding(3) var<storage, read> positionEmbedding: array<f32>;
@group(0) @binding(4) var<storage, read_write> tokens: array<f32>;

fn computeElement(i: u32) {
  let channel = i % sizes.width;
  let token = i / sizes.width % (sizes.patches + 1u);
  let batch = i / (sizes.width * (sizes.patches + 1u));
  var value = positionEmbedding[token * sizes.width + channel];
  if (token == 0u) {
    value += classEmbedding[channel];
  } else {
    value += patches[(batch * sizes.patches + token - 1u) * sizes.width + channel];
  }
  tokens[i] = value;
}
