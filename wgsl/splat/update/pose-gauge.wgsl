// Removes from all poses the similarity between them and their anchors: least squares over the rotation of each camera times scale, and the
// displacement of its centre. The estimate is of first order, and training repeats it after every step. A void step changes nothing.
// One workgroup; sums have a fixed order.
#include <tile-sum>
#include <pose>

// Constants of the anchors.
struct Gauge {
  // Mean of the centres.
  center: vec3f,
  views: u32,
  // Rows of the inverse of Σ scale²·I + |r|²·I − r·rᵀ, r a centre from the mean.
  inverse0: vec3f,
  inverse1: vec3f,
  inverse2: vec3f,
  // World units of a rotation of one radian, squared.
  squaredScale: f32,
  // 1 / Σ|r|², or 0 where all centres are one.
  inverseSpread: f32,
}

@group(0) @binding(0) var<uniform> gauge: Gauge;
// 0 in a void step.
@group(0) @binding(1) var<storage, read> gaussianCount: array<u32>;
@group(0) @binding(2) var<storage, read> anchors: array<Pose>;
@group(0) @binding(3) var<storage, read_write> poses: array<Pose>;

const THREADS = u32(SIZE);
var<workgroup> workspace: array<vec4f, SIZE>;
// Of the similarity.
var<workgroup> rotation: vec3f;
var<workgroup> translation: vec3f;
var<workgroup> growth: f32;

// The rotation vector of R(pose)ᵀ·R(anchor), in world axes, to first order.
fn rotationFrom(pose: Pose, anchor: Pose) -> vec3f {
  let twice = cross(anchor.row0.xyz, pose.row0.xyz) + cross(anchor.row1.xyz, pose.row1.xyz) + cross(anchor.row2.xyz, pose.row2.xyz);
  return 0.5 * twice;
}

// v rotated by −rotation: Rodrigues' formula by its series, for small angles.
fn rotatedBack(v: vec3f) -> vec3f {
  let square = dot(rotation, rotation);
  let once = cross(rotation, v);
  return v - (1.0 - square / 6.0) * once + (0.5 - square / 24.0) * cross(rotation, once);
}

fn moved(pose: Pose) -> Pose {
  let center = gauge.center + rotatedBack(pose.center.xyz - gauge.center - translation) / (1.0 + growth);
  // Orthonormalised: rounding must not add up over the steps.
  let x = normalize(rotatedBack(pose.row0.xyz));
  let row1 = rotatedBack(pose.row1.xyz);
  let y = normalize(row1 - dot(row1, x) * x);
  let z = cross(x, y);
  return Pose(vec4f(x, -dot(x, center)), vec4f(y, -dot(y, center)), vec4f(z, -dot(z, center)), vec4f(center, 0.0));
}

@compute @workgroup_size(SIZE)
fn main(@builtin(local_invocation_index) thread: u32) {
  var rotations = vec3f(0.0);
  var displacements = vec3f(0.0);
  var growths = 0.0;
  for (var i = thread; i < gauge.views; i += THREADS) {
    let anchor = anchors[i];
    let pose = poses[i];
    let r = anchor.center.xyz - gauge.center;
    let displacement = pose.center.xyz - anchor.center.xyz;
    rotations += gauge.squaredScale * rotationFrom(pose, anchor) + cross(r, displacement);
    displacements += displacement;
    growths += dot(r, displacement);
  }
  let sumRotations = tileSum(thread, rotations);
  workgroupBarrier();
  let sumDisplacements = tileSum(thread, displacements);
  workgroupBarrier();
  let sumGrowths = tileSum(thread, vec3f(growths, 0.0, 0.0));
  if (thread == 0u) {
    rotation = vec3f(dot(gauge.inverse0, sumRotations), dot(gauge.inverse1, sumRotations), dot(gauge.inverse2, sumRotations));
    translation = sumDisplacements / f32(gauge.views);
    growth = gauge.inverseSpread * sumGrowths.x;
  }
  workgroupBarrier();
  if (gaussianCount[0] == 0u) { return; }
  if (all(rotation == vec3f(0.0)) && all(translation == vec3f(0.0)) && growth == 0.0) { return; }
  for (var i = thread; i < gauge.views; i += THREADS) { poses[i] = moved(poses[i]); }
}
