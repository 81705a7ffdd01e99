// The weight of every Gaussian in a region, from its mean: 1 inside, 0 outside. The region is a postfix program over a stack of
// weights: a shape pushes its weight, `any` and `all` replace the last two by their maximum and minimum, `not` by 1 − weight. One
// thread a Gaussian.

#include <grid>

struct Sizes {
  count: u32,
  steps: u32,
}

/** A shape has a signed distance d, negative inside. Its weight falls from 1 at d = −soft/2 to 0 at d = soft/2. */
struct RegionStep {
  kind: u32,
  soft: f32,
  // box: centre and half sizes. sphere: centre, and radius in `b.x`. half-space: a point, and the unit normal.
  a: vec3f,
  b: vec3f,
}

@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> program: array<RegionStep>;
@group(0) @binding(2) var<storage, read> means: array<f32>;
@group(0) @binding(3) var<storage, read_write> weights: array<f32>;
/** The number of Gaussians of a weight above 0. */
@group(0) @binding(4) var<storage, read_write> insideCount: atomic<u32>;

fn signedDistance(step: RegionStep, position: vec3f) -> f32 {
  if (step.kind == BOX) {
    let q = abs(position - step.a) - step.b;
    return length(max(q, vec3f(0.0))) + min(max(q.x, max(q.y, q.z)), 0.0);
  }
  if (step.kind == SPHERE) {
    return distance(position, step.a) - step.b.x;
  }
  return -dot(position - step.a, step.b);
}

fn shapeWeight(step: RegionStep, position: vec3f) -> f32 {
  let d = signedDistance(step, position);
  if (step.soft > 0.0) {
    return clamp(0.5 - d / step.soft, 0.0, 1.0);
  }
  return select(0.0, 1.0, d <= 0.0);
}

@compute @workgroup_size(GROUP)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let row = linearGroup(group, groups) * GROUP + thread;
  if (row >= sizes.count) {
    return;
  }
  let position = vec3f(means[3u * row], means[3u * row + 1u], means[3u * row + 2u]);
  var stack: array<f32, DEPTH>;
  var top = 0u;
  for (var i = 0u; i < sizes.steps; i++) {
    let step = program[i];
    switch (step.kind) {
      case ANY: {
        top--;
        stack[top - 1u] = max(stack[top - 1u], stack[top]);
      }
      case ALL: {
        top--;
        stack[top - 1u] = min(stack[top - 1u], stack[top]);
      }
      case NOT: {
        stack[top - 1u] = 1.0 - stack[top - 1u];
      }
      default: {
        stack[top] = shapeWeight(step, position);
        top++;
      }
    }
  }
  weights[row] = stack[0];
  if (stack[0] > 0.0) {
    atomicAdd(&insideCount, 1u);
  }
}
