// The vision transformer's tokens [B, 1 + PATCHES, WIDTH]: the class embedding, then the patches, each with the embedding of
// its position. One invocation per number.

#include <grid>

@group(0) @binding(0) var<storage, read> patches: array<f32>;
@group(0) @binding(1) var<storage, read> class_embedding: array<f32>;
@group(0) @binding(2) var<storage, read> positions: array<f32>;
@group(0) @binding(3) var<storage, read_write> tokens: array<f32>;

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let i = linear_group(group, groups) * THREADS + thread;
  if (i >= COUNT) {
    return;
  }
  let channel = i % WIDTH;
  let token = i / WIDTH % (PATCHES + 1u);
  let batch = i / (WIDTH * (PATCHES + 1u));
  var value = positions[token * WIDTH + channel];
  if (token == 0u) {
    value += class_embedding[channel];
  } else {
    value += patches[(batch * PATCHES + token - 1u) * WIDTH + channel];
  }
  tokens[i] = value;
}
