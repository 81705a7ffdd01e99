// Decays the change of colours since the start of an optimisation, d = sh − start, in each SH coefficient: its luminance Y(d), and its
// chroma d − Y(d), each by its own share. Where d is 0, and in a void step, `sh` keeps its bits. One thread a coefficient of three channels.

#include <grid>

struct Decay {
  coefficients: u32,
  // Shares that this step takes away.
  chroma: f32,
  luminance: f32,
}

// Rec. 601.
const LUMINANCE = vec3f(0.299, 0.587, 0.114);

@group(0) @binding(0) var<uniform> decay: Decay;
@group(0) @binding(1) var<storage, read> start: array<f32>;
// 0 in a void step.
@group(0) @binding(2) var<storage, read> gaussianCount: array<u32>;
@group(0) @binding(3) var<storage, read_write> sh: array<f32>;

@compute @workgroup_size(GROUP)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let coefficient = linearGroup(group, groups) * GROUP + thread;
  if (coefficient >= decay.coefficients || gaussianCount[0] == 0u) {
    return;
  }
  let first = 3u * coefficient;
  let now = vec3f(sh[first], sh[first + 1u], sh[first + 2u]);
  let change = now - vec3f(start[first], start[first + 1u], start[first + 2u]);
  let luminance = dot(LUMINANCE, change);
  let after = now - decay.chroma * (change - luminance) - decay.luminance * luminance;
  sh[first] = after.x;
  sh[first + 1u] = after.y;
  sh[first + 2u] = after.z;
}
