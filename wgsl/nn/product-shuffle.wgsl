// C = alpha·A·B for software adapters with subgroups. A workgroup is one subgroup of LANES invocations that computes ROWS rows
// × 8·LANES columns (4·LANES without FAR), in registers and the nearest cache. LANES values of each row of A are read at once,
// one by each invocation, and handed round; so a step of the inner loop is 8 loads for 8·ROWS multiply-adds. Measured on
// lavapipe, where a load costs as much as ten of those: twice as fast as productRows.

#include <product>

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let m = group.y * ROWS;
  let n = group.x * (select(4u, 8u, FAR) * LANES) + lane;
  let lastRow = product.rows - 1u;
  let aAt = aStart(group.z);
  let near = vec4u(n, n + LANES, n + 2u * LANES, n + 3u * LANES);
  let lastColumn = vec4u(product.columns - 1u);
  let bNear = bStart(group.z) + min(near, lastColumn) * product.bColumn;
  let bFar = bStart(group.z) + min(near + 4u * LANES, lastColumn) * product.bColumn;
  var sumsNear: array<vec4f, ROWS>;
  var sumsFar: array<vec4f, ROWS>;
  let depth = product.depth;
  let aStep = product.aDepth;
  let bStep = product.bDepth;
  let aRow = product.aRow;
  for (var k0 = 0u; k0 < depth; k0 += LANES) {
    // Beyond the depth the last value is read again, and no step uses it.
    let mine = min(k0 + lane, depth - 1u) * aStep;
    var held: array<f32, ROWS>;
    for (var r = 0u; r < ROWS; r++) {
      held[r] = a[aAt + min(m + r, lastRow) * aRow + mine];
    }
    // Not a constant, so that compilers keep the loop: unrolled, its registers spill.
    let steps = min(LANES, depth - k0);
    for (var step = 0u; step < steps; step++) {
      let kb = (k0 + step) * bStep;
      let rowNear = vec4f(b[bNear.x + kb], b[bNear.y + kb], b[bNear.z + kb], b[bNear.w + kb]);
      var rowFar = vec4f();
      if (FAR) {
        rowFar = vec4f(b[bFar.x + kb], b[bFar.y + kb], b[bFar.z + kb], b[bFar.w + kb]);
      }
      for (var r = 0u; r < ROWS; r++) {
        let value = vec4f(subgroupShuffle(held[r], step));
        sumsNear[r] = fma(value, rowNear, sumsNear[r]);
        if (FAR) {
          sumsFar[r] = fma(value, rowFar, sumsFar[r]);
        }
      }
    }
  }
  let rows = rowsFrom(m, ROWS);
  let finish = finishOf(group.z);
  let middle = n + 4u * LANES;
  let nearEnd = min(middle, finish.columns);
  let farEnd = min(middle + 4u * LANES, finish.columns);
  for (var r = 0u; r < rows; r++) {
    // A chain of selects keeps the sums in registers, where an index that is not constant would not.
    var rowNear = sumsNear[0];
    var rowFar = sumsFar[0];
    for (var i = 1u; i < ROWS; i++) {
      rowNear = select(rowNear, sumsNear[i], i == r);
      rowFar = select(rowFar, sumsFar[i], i == r);
    }
    for (var at = n; at < nearEnd; at += LANES) {
      put(finish, m + r, at, rowNear[(at - n) / LANES]);
    }
    if (FAR) {
      for (var at = middle; at < farEnd; at += LANES) {
        put(finish, m + r, at, rowFar[(at - middle) / LANES]);
      }
    }
  }
}
