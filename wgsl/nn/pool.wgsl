// Takes one token of each sequence: [B, length, width] → [B, width], row `places[b]`. One invocation per number of the result.

#include <grid>

struct Sizes {
  count: u32,
  width: u32,
  length: u32,
}

@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> tokens: array<f32>;
@group(0) @binding(2) var<storage, read> places: array<u32>;
@group(0) @binding(3) var<storage, read_write> pooled: array<f32>;

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
  let batch = i / sizes.width;
  pooled[i] = tokens[(batch * sizes.length + places[batch]) * sizes.width + i % sizes.width];
}
