// Elementwise sums. sum[i] (+)= x[i] (+ y[i]), by `accumulates` and `addsY`. One invocation per element.

#include <grid>

struct Sizes {
  accumulates: u32,
  addsY: u32,
  count: u32,
}

@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> y: array<f32>;
@group(0) @binding(3) var<storage, read_write> sum: array<f32>;

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
  var value = x[i];
  if (sizes.addsY == 1u) {
    value += y[i];
  }
  if (sizes.accumulates == 1u) {
    value += sum[i];
  }
  sum[i] = value;
}
