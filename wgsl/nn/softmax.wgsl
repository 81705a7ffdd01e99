// Softmax of rows of WIDTH scores, in place. LANES invocations share a row. With CAUSAL, row q of every QUERIES rows looks
// at columns 0…q only; the others become 0.

#include <grid>
#include <row_sum>

@group(0) @binding(0) var<storage, read_write> scores: array<f32>;

@compute @workgroup_size(LANES, ROWS_PER_GROUP)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_id) local: vec3u,
) {
  let row = linear_group(group, groups) * ROWS_PER_GROUP + local.y;
  let start = min(row, ROWS - 1u) * WIDTH;
  let seen = select(WIDTH, row % QUERIES + 1u, CAUSAL);
  var largest = -3.4e38;
  for (var i = local.x; i < seen; i += LANES) {
    largest = max(largest, scores[start + i]);
  }
  largest = row_max(local, largest);
  var sum = 0.0;
  for (var i = local.x; i < seen; i += LANES) {
    sum += exp(scores[start + i] - largest);
  }
  sum = row_sum(local, sum);
  if (row >= ROWS) {
    return;
  }
  for (var i = local.x; i < WIDTH; i += LANES) {
    scores[start + i] = select(0.0, exp(scores[start + i] - largest) / sum, i < seen);
  }
}
