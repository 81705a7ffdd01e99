// The normal of every Gaussian for one camera: the direction of its shortest axis, turned to the camera, in camera space (x right,
// y up, z to the camera), as SH of degree 0 whose colour is (normal + 1)/2. One thread a Gaussian.

#include <grid>
#include <rotate>

const SH_C0 = 0.28209479177387814;

struct Pose {
  // World → camera, the three upper rows of viewmat.
  row0: vec4f,
  row1: vec4f,
  row2: vec4f,
  // Camera centre in world coordinates.
  center: vec3f,
  count: u32,
}

@group(0) @binding(0) var<uniform> pose: Pose;
@group(0) @binding(1) var<storage, read> means: array<f32>;
@group(0) @binding(2) var<storage, read> logScales: array<f32>;
@group(0) @binding(3) var<storage, read> quats: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> sh: array<f32>;

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = linearGroup(group, groups) * 256u + lane;
  if (row >= pose.count) {
    return;
  }
  let at = 3u * row;
  var axis = vec3f(1.0, 0.0, 0.0);
  var shortest = logScales[at];
  if (logScales[at + 1u] < shortest) {
    axis = vec3f(0.0, 1.0, 0.0);
    shortest = logScales[at + 1u];
  }
  if (logScales[at + 2u] < shortest) {
    axis = vec3f(0.0, 0.0, 1.0);
  }
  let quat = quats[row];
  let world = rotate(quat / max(length(quat), 1e-30), axis);
  let away = dot(world, pose.center - vec3f(means[at], means[at + 1u], means[at + 2u])) < 0.0;
  let facing = select(world, -world, away);
  let normal = vec3f(
    dot(pose.row0.xyz, facing),
    -dot(pose.row1.xyz, facing),
    -dot(pose.row2.xyz, facing),
  );
  for (var k = 0u; k < 3u; k++) {
    sh[at + k] = 0.5 * normal[k] / SH_C0;
  }
}
