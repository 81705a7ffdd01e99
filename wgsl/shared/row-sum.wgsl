// Sums over rows that LANES invocations share, in workgroups of LANES × ROWS_PER_GROUP: lane = local.x, row = local.y.
// All invocations of the workgroup must call it together. One lane per row needs no barrier, and none is compiled.

var<workgroup> rowPartials: array<f32, LANES * ROWS_PER_GROUP>;

fn rowSum(local: vec3u, value: f32) -> f32 {
  if (LANES == 1u) {
    return value;
  }
  let at = local.y * LANES + local.x;
  rowPartials[at] = value;
  workgroupBarrier();
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    if (local.x < half) {
      rowPartials[at] += rowPartials[at + half];
    }
    workgroupBarrier();
  }
  let sum = rowPartials[local.y * LANES];
  workgroupBarrier();
  return sum;
}

fn rowMax(local: vec3u, value: f32) -> f32 {
  if (LANES == 1u) {
    return value;
  }
  let at = local.y * LANES + local.x;
  rowPartials[at] = value;
  workgroupBarrier();
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    if (local.x < half) {
      rowPartials[at] = max(rowPartials[at], rowPartials[at + half]);
    }
    workgroupBarrier();
  }
  let largest = rowPartials[local.y * LANES];
  workgroupBarrier();
  return largest;
}
