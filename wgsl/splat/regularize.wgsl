// Adds the gradient of OPACITY·mean(sigmoid(opacityLogits)) + SCALE·mean(exp(logScales)) (3DGS-MCMC, eq. 8; gsplat's
// opacityReg and scaleReg). One thread a Gaussian.
#include <grid>

@group(0) @binding(0) var<storage, read> counts: array<u32>;
@group(0) @binding(1) var<storage, read> opacityLogits: array<f32>;
@group(0) @binding(2) var<storage, read> logScales: array<f32>;
@group(0) @binding(3) var<storage, read_write> gradOpacityLogits: array<f32>;
@group(0) @binding(4) var<storage, read_write> gradLogScales: array<f32>;

@compute @workgroup_size(SIZE)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let count = counts[0];
  for (var i = linearGroup(group, groups) * SIZE + lane; i < count; i += groups.x * groups.y * SIZE) {
    let opacity = 1.0 / (1.0 + exp(-opacityLogits[i]));
    gradOpacityLogits[i] += OPACITY / f32(count) * opacity * (1.0 - opacity);
    for (var k = 3u * i; k < 3u * i + 3u; k++) {
      gradLogScales[k] += SCALE / (3.0 * f32(count)) * exp(logScales[k]);
    }
  }
}
