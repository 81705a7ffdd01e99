// dL/dscore = p·(dL/dp − Σ p·dL/dp) over rows of width, in place in `gradient`. LANES invocations share a row. Masked
// columns have p = 0 and so gradient 0.

#include <grid>
#include <row-sum>

struct Sizes {
  rows: u32,
  width: u32,
}

@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> probabilities: array<f32>;
@group(0) @binding(2) var<storage, read_write> gradient: array<f32>;

@compute @workgroup_size(LANES, ROWS_PER_GROUP)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_id) local: vec3u,
) {
  let row = linearGroup(group, groups) * ROWS_PER_GROUP + local.y;
  let start = min(row, sizes.rows - 1u) * sizes.width;
  var dot = 0.0;
  for (var i = local.x; i < sizes.width; i += LANES) {
    dot += probabilities[start + i] * gradient[start + i];
  }
  dot = rowSum(local, dot);
  if (row >= sizes.rows) {
    return;
  }
  for (var i = local.x; i < sizes.width; i += LANES) {
    gradient[start + i] = probabilities[start + i] * (gradient[start + i] - dot);
  }
}
