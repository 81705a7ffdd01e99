// C = alpha·A·B for software adapters. A workgroup is one subgroup of LANES invocations; each keeps 8 rows × 4 columns in
// registers and reads A and B straight from memory. There a load costs some forty times a multiply, caches stand behind
// every address, and barriers are coroutine switches: measured on lavapipe, 3–4 times as fast as productTiled.

#include <product>

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let m = group.y * 8u;
  let n = group.x * (4u * LANES) + local.x;
  let lastRow = product.rows - 1u;
  let lastColumn = product.columns - 1u;
  let start = aStart(group.z);
  let a0 = start + min(m, lastRow) * product.aRow;
  let a1 = start + min(m + 1u, lastRow) * product.aRow;
  let a2 = start + min(m + 2u, lastRow) * product.aRow;
  let a3 = start + min(m + 3u, lastRow) * product.aRow;
  let a4 = start + min(m + 4u, lastRow) * product.aRow;
  let a5 = start + min(m + 5u, lastRow) * product.aRow;
  let a6 = start + min(m + 6u, lastRow) * product.aRow;
  let a7 = start + min(m + 7u, lastRow) * product.aRow;
  let columns = min(vec4u(n, n + LANES, n + 2u * LANES, n + 3u * LANES), vec4u(lastColumn));
  let bAt = bStart(group.z) + columns * product.bColumn;
  var s0 = vec4f();
  var s1 = vec4f();
  var s2 = vec4f();
  var s3 = vec4f();
  var s4 = vec4f();
  var s5 = vec4f();
  var s6 = vec4f();
  var s7 = vec4f();
  let depth = product.depth;
  let aStep = product.aDepth;
  let bStep = product.bDepth;
  for (var k = 0u; k < depth; k++) {
    let kb = k * bStep;
    let row = vec4f(b[bAt.x + kb], b[bAt.y + kb], b[bAt.z + kb], b[bAt.w + kb]);
    let ka = k * aStep;
    s0 = fma(vec4f(a[a0 + ka]), row, s0);
    s1 = fma(vec4f(a[a1 + ka]), row, s1);
    s2 = fma(vec4f(a[a2 + ka]), row, s2);
    s3 = fma(vec4f(a[a3 + ka]), row, s3);
    s4 = fma(vec4f(a[a4 + ka]), row, s4);
    s5 = fma(vec4f(a[a5 + ka]), row, s5);
    s6 = fma(vec4f(a[a6 + ka]), row, s6);
    s7 = fma(vec4f(a[a7 + ka]), row, s7);
  }
  let rows = rowsFrom(m, 8u);
  let finish = finishOf(group.z);
  let end = min(n + 4u * LANES, finish.columns);
  for (var r = 0u; r < rows; r++) {
    let low = select(select(s0, s1, r == 1u), select(s2, s3, r == 3u), r >= 2u);
    let high = select(select(s4, s5, r == 5u), select(s6, s7, r == 7u), r >= 6u);
    let sums = select(low, high, r >= 4u);
    for (var at = n; at < end; at += LANES) {
      put(finish, m + r, at, sums[(at - n) / LANES]);
    }
  }
}
