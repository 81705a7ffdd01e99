// Prepares a draw of source rows with probability ∝ opacity. Weights are integers, so that their prefix sum is exact
// in any order: opacity · unit plus a random fraction, rounded down, which is unbiased; at least 1.
// Rows at or above `count` are new and pending. Rows up to the dead opacity are pending too, with weight 0. One
// thread a row.

#include <grid>
#include <random>

struct Draw {
  count: u32,
  rows: u32,
  seed: u32,
  step: u32,
  unit: f32,
  deadOpacity: f32,
}

@group(0) @binding(0) var<uniform> draw: Draw;
@group(0) @binding(1) var<storage, read> opacityLogits: array<f32>;
@group(0) @binding(2) var<storage, read_write> weights: array<u32>;
@group(0) @binding(3) var<storage, read_write> sources: array<u32>;

@compute @workgroup_size(GROUP)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let row = linearGroup(group, groups) * GROUP + thread;
  if (row >= draw.rows) {
    return;
  }
  if (row >= draw.count) {
    sources[row] = PENDING;
    return;
  }
  let opacity = 1.0 / (1.0 + exp(-opacityLogits[row]));
  if (opacity <= draw.deadOpacity) {
    weights[row] = 0u;
    sources[row] = PENDING;
    return;
  }
  let fraction = random4(draw.seed, PURPOSE, draw.step, row).w;
  weights[row] = max(1u, u32(opacity * draw.unit + fraction));
  sources[row] = NONE;
}
