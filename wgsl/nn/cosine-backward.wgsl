// dL/dx (+)= dL/dcos·(t − cos·x/|x|)/|x| over rows of width. LANES invocations share a row.

#include <grid>
#include <row-sum>

struct Sizes {
  accumulates: u32,
  rows: u32,
  width: u32,
  targetStride: u32,
}

@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> targets: array<f32>;
@group(0) @binding(3) var<storage, read> gradCosines: array<f32>;
@group(0) @binding(4) var<storage, read_write> gradX: array<f32>;

@compute @workgroup_size(LANES, ROWS_PER_GROUP)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_id) local: vec3u,
) {
  let row = linearGroup(group, groups) * ROWS_PER_GROUP + local.y;
  let safe = min(row, sizes.rows - 1u);
  var dot = 0.0;
  var squares = 0.0;
  for (var i = local.x; i < sizes.width; i += LANES) {
    let value = x[safe * sizes.width + i];
    dot += value * targets[safe * sizes.targetStride + i];
    squares += value * value;
  }
  dot = rowSum(local, dot);
  squares = max(rowSum(local, squares), 1e-24);
  if (row >= sizes.rows) {
    return;
  }
  let scale = gradCosines[row] / sqrt(squares);
  for (var i = local.x; i < sizes.width; i += LANES) {
    let at = row * sizes.width + i;
    var value = scale * (targets[row * sizes.targetStride + i] - dot / squares * x[at]);
    if (sizes.accumulates == 1u) {
      value += gradX[at];
    }
    gradX[at] = value;
  }
}
