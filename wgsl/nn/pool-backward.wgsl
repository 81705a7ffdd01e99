// dL/dtokens (+)= dL/dpooled in row `places[b]` of each sequence, and 0 elsewhere. One invocation per number of the tokens.

#include <grid>

struct Sizes {
  accumulates: u32,
  count: u32,
  width: u32,
  length: u32,
}

@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> gradPooled: array<f32>;
@group(0) @binding(2) var<storage, read> places: array<u32>;
@group(0) @binding(3) var<storage, read_write> gradTokens: array<f32>;

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
  let batch = i / (sizes.width * sizes.length);
  var value = 0.0;
  if (i / sizes.width % sizes.length == places[batch]) {
    value = gradPooled[batch * sizes.width + i % sizes.width];
  }
  if (sizes.accumulates == 1u) {
    value += gradTokens[i];
  }
  gradTokens[i] = value;
}
