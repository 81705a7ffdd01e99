// Lowers every opacity to at most a given one and zeroes its Adam moments (3DGS, resetOpacity). One thread a
// Gaussian.

#include <grid>

struct Reset {
  count: u32,
  highestLogit: f32,
}

@group(0) @binding(0) var<uniform> reset: Reset;
@group(0) @binding(1) var<storage, read_write> opacityLogits: array<f32>;
@group(0) @binding(2) var<storage, read_write> m: array<f32>;
@group(0) @binding(3) var<storage, read_write> v: array<f32>;

@compute @workgroup_size(GROUP)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let row = linearGroup(group, groups) * GROUP + thread;
  if (row >= reset.count) {
    return;
  }
  opacityLogits[row] = min(opacityLogits[row], reset.highestLogit);
  m[row] = 0.0;
  v[row] = 0.0;
}
