// The noise of stochastic gradient Langevin dynamics (Kheradmand et al., "3D Gaussian Splatting as Markov Chain Monte
// Carlo", 2024, eq. 8): each mean moves by scale · gate(opacity) · Σ · ξ, ξ standard normal, Σ the Gaussian's own
// covariance. The gate excludes opaque Gaussians. One thread a Gaussian.

#include <grid>
#include <random>
#include <rotate>

struct Noise {
  seed: u32,
  step: u32,
  scale: f32,
}

@group(0) @binding(0) var<uniform> noise: Noise;
@group(0) @binding(1) var<storage, read> gaussianCount: array<u32>;
@group(0) @binding(2) var<storage, read> logScales: array<f32>;
@group(0) @binding(3) var<storage, read> quats: array<vec4f>;
@group(0) @binding(4) var<storage, read> opacityLogits: array<f32>;
@group(0) @binding(5) var<storage, read_write> means: array<f32>;

@compute @workgroup_size(GROUP)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let row = linearGroup(group, groups) * GROUP + thread;
  if (row >= gaussianCount[0]) {
    return;
  }
  let opacity = 1.0 / (1.0 + exp(-opacityLogits[row]));
  let gate = 1.0 / (1.0 + exp(GATE_STEEPNESS * (opacity - GATE_OPACITY)));

  let at = 3u * row;
  let variances = exp(2.0 * vec3f(logScales[at], logScales[at + 1u], logScales[at + 2u]));
  let quat = normalize(quats[row]);
  let normals = normal4(noise.seed, PURPOSE, noise.step, row).xyz;
  let offset = noise.scale * gate * rotate(quat, variances * rotateBack(quat, normals));
  means[at] += offset.x;
  means[at + 1u] += offset.y;
  means[at + 2u] += offset.z;
}
