// Tokens of a text transformer, [T, length, width]: the embedding of each token id plus that of its position. The host has
// checked the ids.

#include <grid>
#include <elementwise>

struct Sizes {
  count: u32,
  width: u32,
  length: u32,
}

@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> ids: array<u32>;
@group(0) @binding(2) var<storage, read> tokenEmbedding: array<f32>;
@group(0) @binding(3) var<storage, read> positionEmbedding: array<f32>;
@group(0) @binding(4) var<storage, read_write> tokens: array<f32>;

fn computeElement(i: u32) {
  let token = i / sizes.width;
  let channel = i % sizes.width;
  let position = token % sizes.length;
  tokens[i] = tokenEmbedding[ids[token] * sizes.width + channel] + positionEmbedding[position * sizes.width + channel];
}
