// y = (x − mean)/√(variance + epsilon)·weight + bias over rows of width. LANES invocations share a row. The mean and the
// reciprocal deviation are kept in `statistics` [rows, 2] for backward. The variance is of the centred values (two
// passes): transformers have channels a hundred times the others, where Σx² − (Σx)² cancels.

#include <grid>
#include <row-sum>

struct Sizes {
  rows: u32,
  width: u32,
  epsilon: f32,
}

@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;
@group(0) @binding(5) var<storage, read_write> statistics: array<f32>;

@compute @workgroup_size(LANES, ROWS_PER_GROUP)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_id) local: vec3u,
) {
  let row = linearGroup(group, groups) * ROWS_PER_GROUP + local.y;
  let start = min(row, sizes.rows - 1u) * sizes.width;
  var sum = 0.0;
  for (var i = local.x; i < sizes.width; i += LANES) {
    sum += x[start + i];
  }
  let mean = rowSum(local, sum) / f32(sizes.width);
  var squares = 0.0;
  for (var i = local.x; i < sizes.width; i += LANES) {
    let centred = x[start + i] - mean;
    squares += centred * centred;
  }
  let scale = 1.0 / sqrt(rowSum(local, squares) / f32(sizes.width) + sizes.epsilon);
  if (row >= sizes.rows) {
    return;
  }
  for (var i = local.x; i < sizes.width; i += LANES) {
    y[start + i] = (x[start + i] - mean) * scale * weight[i] + bias[i];
  }
  if (local.x == 0u) {
    statistics[2u * row] = mean;
    statistics[2u * row + 1u] = scale;
  }
}
