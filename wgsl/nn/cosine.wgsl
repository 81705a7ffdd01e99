// cosines[b] = x_b·t/|x_b| over rows of WIDTH; targets have unit length, row b·TARGET_STRIDE/WIDTH. LANES invocations share
// a row.

#include <grid>
#include <row_sum>

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> targets: array<f32>;
@group(0) @binding(2) var<storage, read_write> cosines: array<f32>;

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
  squares = row_sum(local, squares);
  if (row < ROWS && local.x == 0u) {
    cosines[row] = dot / sqrt(max(squares, 1e-24));
  }
}
