// Entry point and reductions of kernels that work on rows, `sizes.rows` in total. LANES invocations share a row; a workgroup has
// ROWS_PER_GROUP rows. The kernel includes `grid` and defines `fn computeRow(row: Row)`. All invocations of a workgroup call it
// and its reductions together, because these have barriers; it stores only if `row.exists`.

struct Row {
  // Number of the row, of the last one if the row does not exist.
  index: u32,
  exists: bool,
  // This invocation's number among the LANES of its row: it takes the columns lane, lane + LANES, …
  lane: u32,
  // Its number in the workgroup.
  thread: u32,
}

@compute @workgroup_size(LANES, ROWS_PER_GROUP)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_id) local: vec3u,
) {
  let row = linearGroup(group, groups) * ROWS_PER_GROUP + local.y;
  computeRow(Row(min(row, sizes.rows - 1u), row < sizes.rows, local.x, local.y * LANES + local.x));
}

// With one lane per row no barrier is compiled.
var<workgroup> rowPartials: array<f32, LANES * ROWS_PER_GROUP>;

fn rowSum(row: Row, value: f32) -> f32 {
  if (LANES == 1u) {
    return value;
  }
  rowPartials[row.thread] = value;
  workgroupBarrier();
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    if (row.lane < half) {
      rowPartials[row.thread] += rowPartials[row.thread + half];
    }
    workgroupBarrier();
  }
  let sum = rowPartials[row.thread - row.lane];
  workgroupBarrier();
  return sum;
}

fn rowMax(row: Row, value: f32) -> f32 {
  if (LANES == 1u) {
    return value;
  }
  rowPartials[row.thread] = value;
  workgroupBarrier();
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    if (row.lane < half) {
      rowPartials[row.thread] = max(rowPartials[row.thread], rowPartials[row.thread + half]);
    }
    workgroupBarrier();
  }
  let largest = rowPartials[row.thread - row.lane];
  workgroupBarrier();
  return largest;
}
