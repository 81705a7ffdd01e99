// Sets the opacity of the initial Gaussians and multiplies their scales, with values of the strategy. One thread a Gaussian.
#include <grid>

struct Start { count: u32, opacityLogit: f32, logFactor: f32, _pad: u32 }

@group(0) @binding(0) var<uniform> start: Start;
@group(0) @binding(1) var<storage, read_write> opacityLogits: array<f32>;
@group(0) @binding(2) var<storage, read_write> logScales: array<f32>;

@compute @workgroup_size(SIZE)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = linearGroup(group, groups) * SIZE + lane;
  if (i >= start.count) { return; }
  opacityLogits[i] = start.opacityLogit;
  for (var k = 3u * i; k < 3u * i + 3u; k++) { logScales[k] += start.logFactor; }
}
