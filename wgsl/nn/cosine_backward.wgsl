// dL/dx (+)= dL/dcos·(t − cos·x/|x|)/|x| over rows of WIDTH. LANES invocations share a row.

#include <grid>
#include <row_sum>

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> targets: array<f32>;
@group(0) @binding(2) var<storage, read> grad_cosines: array<f32>;
@group(0) @binding(3) var<storage, read_write> grad_x: array<f32>;

@compute @workgroup_size(LANES, ROWS_PER_GROUP)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_id) local: vec3u,
) {
  let row = linear_group(group, groups) * ROWS_PER_GROUP + local.y;
  let safe = min(row, ROWS - 1u);
  var dot = 0.0;
  var squares = 0.0;
  for (var i = local.x; i < WIDTH; i += LANES) {
    let value = x[safe * WIDTH + i];
    dot += value * targets[safe * TARGET_STRIDE + i];
    squares += value * value;
  }
  dot = row_sum(local, dot);
  squares = max(row_sum(local, squares), 1e-24);
  if (row >= ROWS) {
    return;
  }
  let scale = grad_cosines[row] / sqrt(squares);
  for (var i = local.x; i < WIDTH; i += LANES) {
    let at = row * WIDTH + i;
    var value = scale * (targets[row * TARGET_STRIDE + i] - dot / squares * x[at]);
    if (ACCUMULATE) {
      value += grad_x[at];
    }
    grad_x[at] = value;
  }
}
