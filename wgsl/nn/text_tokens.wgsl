// Text tokens [T, LENGTH, WIDTH]: each id's row of the table plus the embedding of its position. Ids were checked on the
// host. One invocation per number.

#include <grid>

@group(0) @binding(0) var<storage, read> ids: array<u32>;
@group(0) @binding(1) var<storage, read> embeddings: array<f32>;
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
  let token = i / WIDTH;
  let channel = i % WIDTH;
  tokens[i] = embeddings[ids[token] * WIDTH + channel] + positions[token % LENGTH * WIDTH + channel];
}
