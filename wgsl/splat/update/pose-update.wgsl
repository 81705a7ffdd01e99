// Sums the partial sums of pose-gradients in order and takes a step of Adam on the pose of this view: T becomes exp(ξ)·T. In a void step
// nothing changes. One workgroup.
#include <tile-sum>
#include <pose>
#include <view-adam>

@group(0) @binding(0) var<uniform> step: PoseStep;
// 0 in a void step.
@group(0) @binding(1) var<storage, read> gaussianCount: array<u32>;
@group(0) @binding(2) var<storage, read> partials: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> poses: array<Pose>;
// Six floats for each view: translation, rotation.
@group(0) @binding(4) var<storage, read_write> m: array<f32>;
@group(0) @binding(5) var<storage, read_write> v: array<f32>;
// Steps of Adam that each view took.
@group(0) @binding(6) var<storage, read_write> steps: array<u32>;

const THREADS = u32(SIZE);
var<workgroup> workspace: array<vec4f, SIZE>;

fn change(component: u32, gradient: f32, rate: f32) -> f32 {
  let at = 6u * step.index + component;
  let taken = viewAdam(gradient, m[at], v[at], steps[step.index], rate);
  m[at] = taken.m;
  v[at] = taken.v;
  return taken.change;
}

// exp of (translation ρ, rotation φ) on a pose: the rotation R of Rodrigues' formula, and the translation V·ρ with V its left Jacobian.
fn moved(pose: Pose, rho: vec3f, phi: vec3f) -> Pose {
  let square = dot(phi, phi);
  let angle = sqrt(square);
  // sin θ / θ, (1 − cos θ) / θ², (θ − sin θ) / θ³.
  var a = 1.0 - square / 6.0;
  var b = 0.5 - square / 24.0;
  var c = 1.0 / 6.0 - square / 120.0;
  if (angle > 0.05) {
    a = sin(angle) / angle;
    b = (1.0 - cos(angle)) / square;
    c = (1.0 - a) / square;
  }
  // Columns of the pose: three axes and the origin of the world in camera axes.
  var columns = array(
    vec3f(pose.row0.x, pose.row1.x, pose.row2.x),
    vec3f(pose.row0.y, pose.row1.y, pose.row2.y),
    vec3f(pose.row0.z, pose.row1.z, pose.row2.z),
    vec3f(pose.row0.w, pose.row1.w, pose.row2.w),
  );
  for (var k = 0u; k < 4u; k++) {
    let turn = cross(phi, columns[k]);
    columns[k] += a * turn + b * cross(phi, turn);
  }
  let turn = cross(phi, rho);
  let origin = columns[3] + rho + b * turn + c * cross(phi, turn);
  // Rounding must not add up over the steps.
  let x = normalize(columns[0]);
  let y = normalize(columns[1] - dot(columns[1], x) * x);
  let z = cross(x, y);
  return Pose(
    vec4f(x.x, y.x, z.x, origin.x),
    vec4f(x.y, y.y, z.y, origin.y),
    vec4f(x.z, y.z, z.z, origin.z),
    vec4f(-dot(x, origin), -dot(y, origin), -dot(z, origin), 0.0),
  );
}

@compute @workgroup_size(SIZE)
fn main(@builtin(local_invocation_index) thread: u32) {
  let blocks = (gaussianCount[0] + u32(BLOCK) - 1u) / u32(BLOCK);
  var translation = vec3f(0.0);
  var rotation = vec3f(0.0);
  for (var i = thread; i < blocks; i += THREADS) {
    translation += partials[2u * i].xyz;
    rotation += partials[2u * i + 1u].xyz;
  }
  let gradTranslation = tileSum(thread, translation);
  workgroupBarrier();
  let gradRotation = tileSum(thread, rotation);
  if (thread != 0u || blocks == 0u) { return; }
  steps[step.index] += 1u;
  var rho = vec3f(0.0);
  var phi = vec3f(0.0);
  for (var k = 0u; k < 3u; k++) {
    rho[k] = change(k, gradTranslation[k], step.translation);
    phi[k] = change(3u + k, gradRotation[k], step.rotation);
  }
  if (any(rho != vec3f(0.0)) || any(phi != vec3f(0.0))) { poses[step.index] = moved(poses[step.index], rho, phi); }
}
