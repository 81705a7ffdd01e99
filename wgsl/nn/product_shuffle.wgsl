// C = alpha·A·B for software adapters with subgroups. A workgroup is one subgroup of LANES invocations that computes ROWS rows
// × 8·LANES columns (4·LANES without FAR), in registers and the nearest cache. LANES values of each row of A are read at once,
// one by each invocation, and handed round; so a step of the inner loop is 8 loads for 8·ROWS multiply-adds. Measured on
// lavapipe, where a load costs as much as ten of those: twice as fast as product_rows.

#include <product>

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let m = group.y * ROWS;
  let n = group.x * (select(4u, 8u, FAR) * LANES) + lane;
  let last_row = product.rows - 1u;
  let a_at = a_start(group.z);
  let near = vec4u(n, n + LANES, n + 2u * LANES, n + 3u * LANES);
  let last_column = vec4u(product.columns - 1u);
  let b_near = b_start(group.z) + min(near, last_column) * product.b_column;
  let b_far = b_start(group.z) + min(near + 4u * LANES, last_column) * product.b_column;
  var sums_near: array<vec4f, ROWS>;
  var sums_far: array<vec4f, ROWS>;
  let depth = product.depth;
  let a_step = product.a_depth;
  let b_step = product.b_depth;
  let a_row = product.a_row;
  for (var k0 = 0u; k0 < depth; k0 += LANES) {
    // Beyond the depth the last value is read again, and no step uses it.
    let mine = min(k0 + lane, depth - 1u) * a_step;
    var held: array<f32, ROWS>;
    for (var r = 0u; r < ROWS; r++) {
      held[r] = a[a_at + min(m + r, last_row) * a_row + mine];
    }
    // Not a constant, so that compilers keep the loop: unrolled, its registers spill.
    let steps = min(LANES, depth - k0);
    for (var step = 0u; step < steps; step++) {
      let kb = (k0 + step) * b_step;
      let row_near = vec4f(b[b_near.x + kb], b[b_near.y + kb], b[b_near.z + kb], b[b_near.w + kb]);
      var row_far = vec4f();
      if (FAR) {
        row_far = vec4f(b[b_far.x + kb], b[b_far.y + kb], b[b_far.z + kb], b[b_far.w + kb]);
      }
      for (var r = 0u; r < ROWS; r++) {
        let value = vec4f(subgroupShuffle(held[r], step));
        sums_near[r] = fma(value, row_near, sums_near[r]);
        if (FAR) {
          sums_far[r] = fma(value, row_far, sums_far[r]);
        }
      }
    }
  }
  let rows = rows_from(m, ROWS);
  let finish = finish_of(group.z);
  let middle = n + 4u * LANES;
  let near_end = min(middle, finish.columns);
  let far_end = min(middle + 4u * LANES, finish.columns);
  for (var r = 0u; r < rows; r++) {
    // A chain of selects keeps the sums in registers, where an index that is not constant would not.
    var row_near = sums_near[0];
    var row_far = sums_far[0];
    for (var i = 1u; i < ROWS; i++) {
      row_near = select(row_near, sums_near[i], i == r);
      row_far = select(row_far, sums_far[i], i == r);
    }
    for (var at = n; at < near_end; at += LANES) {
      put(finish, m + r, at, row_near[(at - n) / LANES]);
    }
    if (FAR) {
      for (var at = middle; at < far_end; at += LANES) {
        put(finish, m + r, at, row_far[(at - middle) / LANES]);
      }
    }
  }
}
