// The vision transformer's tokens [B, 1 + patches, width]: the class embedding, then the patches, each with the embedding of
// its position. One invocation per number.

#include <grid>

struct Sizes {
  count: u32,
  width: u32,
  patches: u32,
}

@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> patches: array<f32>;
@group(0) @binding(2) var<storage, read> classEmbedding: array<f32>;
@group(0) @binding(3) var<storage, read> positions: array<f32>;
@group(0) @binding(4) var<storage, read_write> tokens: array<f32>;

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let i = linearGroup(group, groups) * THREADS + thread;
  if (i >= sizes.count) {
    return;
  }
  let channel = i % sizes.width;
  let token = i / sizes.width % (sizes.patches + 1u);
  let batch = i / (sizes.width * (sizes.patches + 1u));
  var value = positions[token * sizes.width + channel];
  if (token == 0u) {
    value += classEmbedding[channel];
  } else {
    value += patches[(batch * sizes.patches + token - 1u) * sizes.width + channel];
  }
  tokens[i] = value;
}
