// Sums over rows that LANES invocations share, in workgroups of LANES × ROWS_PER_GROUP: lane = local.x, row = local.y.
// All invocations of the workgroup must call it together. One lane per row needs no barrier, and none is compiled.

var<workgroup> row_partials: array<f32, LANES * ROWS_PER_GROUP>;

fn row_sum(local: vec3u, value: f32) -> f32 {
  if (LANES == 1u) {
    return value;
  }
  let at = local.y * LANES + local.x;
  row_partials[at] = value;
  workgroupBarrier();
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    if (local.x < half) {
      row_partials[at] += row_partials[at + half];
    }
    workgroupBarrier();
  }
  let sum = row_partials[local.y * LANES];
  workgroupBarrier();
  return sum;
}

fn row_max(local: vec3u, value: f32) -> f32 {
  if (LANES == 1u) {
    return value;
  }
  let at = local.y * LANES + local.x;
  row_partials[at] = value;
  workgroupBarrier();
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    if (local.x < half) {
      row_partials[at] = max(row_partials[at], row_partials[at + half]);
    }
    workgroupBarrier();
  }
  let largest = row_partials[local.y * LANES];
  workgroupBarrier();
  return largest;
}
