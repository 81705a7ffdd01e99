// dL/dpatches (+)= dL/dtokens without the class tokens. One invocation per number of the patches.

#include <grid>

struct Sizes {
  accumulates: u32,
  count: u32,
  width: u32,
  patches: u32,
}

@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> gradTokens: array<f32>;
@group(0) @binding(2) var<storage, read_write> gradPatches: array<f32>;

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
  let batch = i / (sizes.width * sizes.patches);
  var value = gradTokens[i + (batch + 1u) * sizes.width];
  if (sizes.accumulates == 1u) {
    value += gradPatches[i];
  }
  gradPatches[i] = value;
}
