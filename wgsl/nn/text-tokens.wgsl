// Text tokens [T, length, width]: each id's row of the table plus the embedding of its position. Ids were checked on the
// host. One invocation per number.

#include <grid>

struct Sizes {
  count: u32,
  width: u32,
  length: u32,
}

@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> ids: array<u32>;
@group(0) @binding(2) var<storage, read> embeddings: array<f32>;
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
  let token = i / sizes.width;
  let channel = i % sizes.width;
  tokens[i] = embeddings[ids[token] * sizes.width + channel] + positions[token % sizes.length * sizes.width + channel];
}
