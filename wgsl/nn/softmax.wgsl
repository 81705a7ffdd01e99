// Softmax of rows of width scores, in place. LANES invocations share a row. With CAUSAL, row q of every queries rows looks
// at columns 0…q only; the others become 0.

#include <grid>
#include <row-sum>

struct Sizes {
  rows: u32,
  width: u32,
  queries: u32,
}

@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read_write> scores: array<f32>;

@compute @workgroup_size(LANES, ROWS_PER_GROUP)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_id) local: vec3u,
) {
  let row = linearGroup(group, groups) * ROWS_PER_GROUP + local.y;
  let start = min(row, sizes.rows - 1u) * sizes.width;
  let seen = select(sizes.width, row % sizes.queries + 1u, CAUSAL);
  var largest = -3.4e38;
  for (var i = local.x; i < seen; i += LANES) {
    largest = max(largest, scores[start + i]);
  }
  largest = rowMax(local, largest);
  var sum = 0.0;
  for (var i = local.x; i < seen; i += LANES) {
    sum += exp(scores[start + i] - largest);
  }
  sum = rowSum(local, sum);
  if (row >= sizes.rows) {
    return;
  }
  for (var i = local.x; i < sizes.width; i += LANES) {
    scores[start + i] = select(0.0, exp(scores[start + i] - largest) / sum, i < seen);
  }
}
