// Turns two copies of a Gaussian into the halves of a split: means drawn from the Gaussian, scales
// divided by SPLIT_SHRINK (3DGS, densifyAndSplit). Processes rows whose origin is a half (the third and
// fourth part of plan-growth.wgsl). One thread a row.

#include <grid>
#include <random>
#include <rotate>

struct Split {
  rows: u32,
  count: u32,
  seed: u32,
  step: u32,
}

@group(0) @binding(0) var<uniform> split: Split;
@group(0) @binding(1) var<storage, read> origins: array<u32>;
@group(0) @binding(2) var<storage, read> quats: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> means: array<f32>;
@group(0) @binding(4) var<storage, read_write> logScales: array<f32>;
@group(0) @binding(5) var<storage, read_write> opacityLogits: array<f32>;

@compute @workgroup_size(GROUP)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let row = linearGroup(group, groups) * GROUP + thread;
  if (row >= split.rows || origins[row] < 2u * split.count) {
    return;
  }
  // A half's number in 0 … 2·count−1: each draws its own random numbers.
  let halfIndex = origins[row] - 2u * split.count;
  let at = 3u * row;
  let logScale = vec3f(logScales[at], logScales[at + 1u], logScales[at + 2u]);
  let normals = normal4(split.seed, PURPOSE, split.step, halfIndex).xyz;
  let offset = rotate(normalize(quats[row]), exp(logScale) * normals);
  for (var axis = 0u; axis < 3u; axis++) {
    means[at + axis] += offset[axis];
    logScales[at + axis] = logScale[axis] - log(SPLIT_SHRINK);
  }
  if (REVISED_OPACITY) {
    // logit(1 − √(1 − o)), with 1 − o = 1 / (1 + e^x) taken without cancellation.
    let transparency = inverseSqrt(1.0 + exp(opacityLogits[row]));
    opacityLogits[row] = log((1.0 - transparency) / transparency);
  }
}
