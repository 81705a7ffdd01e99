// The gradient of the camera's pose T, for the perturbation exp(ξ)·T with ξ = (translation, rotation) in camera axes, from the gradients of
// the Gaussians: moving the camera is moving every Gaussian the other way. Partial sums of a block of SIZE Gaussians a workgroup, in a fixed
// order. Runs after backward-sums, before the parameters move.
#include <grid>
#include <view>
#include <window>
#include <sh>
#include <sh-rows>
#include <sh-backward>
#include <tile-sum>

@group(0) @binding(0) var<uniform> view: View;
@group(0) @binding(1) var<uniform> window: RowWindow;
@group(0) @binding(2) var<storage, read> gaussianCount: array<u32>;
@group(0) @binding(3) var<storage, read> tileCounts: array<u32>;
@group(0) @binding(4) var<storage, read> means: array<f32>;
@group(0) @binding(5) var<storage, read> quats: array<vec4f>;
// Rows of the window.
@group(0) @binding(6) var<storage, read> sh: array<SH_WORD>;
// See backward-sums.
@group(0) @binding(7) var<storage, read> gradColors: array<vec4f>;
@group(0) @binding(8) var<storage, read> gradGeometry: array<vec4f>;
// Translation and rotation of each block.
@group(0) @binding(9) var<storage, read_write> partials: array<vec4f>;

const THREADS = u32(SIZE);
var<workgroup> workspace: array<vec4f, SIZE>;

struct PoseGradient {
  translation: vec3f,
  rotation: vec3f,
}

fn toCameraAxes(v: vec3f) -> vec3f {
  return vec3f(dot(view.row0.xyz, v), dot(view.row1.xyz, v), dot(view.row2.xyz, v));
}

fn gradientOf(i: u32) -> PoseGradient {
  let rows = arrayLength(&gradGeometry) / 3u;
  let mean = vec3f(means[3u * i], means[3u * i + 1u], means[3u * i + 2u]);
  let gradMean = gradGeometry[i].xyz;
  // The part of the viewing direction: a rotation about the camera's centre turns no direction in world axes.
  let gradOffset = directionBackward(i, mean - view.center, gradColors[i].xyz, view.shDegree);
  let gradPosition = toCameraAxes(gradMean - gradOffset);
  let m = vec4f(mean, 1.0);
  let position = vec3f(dot(view.row0, m), dot(view.row1, m), dot(view.row2, m));
  // Turning a Gaussian by ω changes its quaternion by ½·(0, ω)·q.
  let q = quats[i];
  let g = gradGeometry[2u * rows + i];
  let gradTurn = 0.5 * (q.x * g.yzw - g.x * q.yzw + cross(q.yzw, g.yzw));
  return PoseGradient(toCameraAxes(gradMean), cross(position, gradPosition) + toCameraAxes(gradTurn));
}

@compute @workgroup_size(SIZE)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let count = min(gaussianCount[0], window.end);
  for (var base = window.first + linearGroup(group, groups) * THREADS; base < count; base += groups.x * groups.y * THREADS) {
    let i = base + thread;
    var gradient = PoseGradient(vec3f(0.0), vec3f(0.0));
    if (i < count) {
      if (tileCounts[i] > 0u) { gradient = gradientOf(i); }
    }
    let translation = tileSum(thread, gradient.translation);
    workgroupBarrier();
    let rotation = tileSum(thread, gradient.rotation);
    workgroupBarrier();
    if (thread == 0u) {
      partials[2u * (base / THREADS)] = vec4f(translation, 0.0);
      partials[2u * (base / THREADS) + 1u] = vec4f(rotation, 0.0);
    }
  }
}
