// C = alpha·A·B for software adapters. A workgroup is one subgroup of LANES invocations; each keeps 8 rows × 4 columns in
// registers and reads A and B straight from memory. There a load costs some forty times a multiply, caches stand behind
// every address, and barriers are coroutine switches: measured on lavapipe, 3–4 times as fast as product_tiled.

#include <product>

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let m = group.y * 8u;
  let n = group.x * (4u * LANES) + local.x;
  let last_row = product.rows - 1u;
  let last_column = product.columns - 1u;
  let start = a_start(group.z);
  let a0 = start + min(m, last_row) * product.a_row;
  let a1 = start + min(m + 1u, last_row) * product.a_row;
  let a2 = start + min(m + 2u, last_row) * product.a_row;
  let a3 = start + min(m + 3u, last_row) * product.a_row;
  let a4 = start + min(m + 4u, last_row) * product.a_row;
  let a5 = start + min(m + 5u, last_row) * product.a_row;
  let a6 = start + min(m + 6u, last_row) * product.a_row;
  let a7 = start + min(m + 7u, last_row) * product.a_row;
  let columns = min(vec4u(n, n + LANES, n + 2u * LANES, n + 3u * LANES), vec4u(last_column));
  let b_at = b_start(group.z) + columns * product.b_column;
  var s0 = vec4f();
  var s1 = vec4f();
  var s2 = vec4f();
  var s3 = vec4f();
  var s4 = vec4f();
  var s5 = vec4f();
  var s6 = vec4f();
  var s7 = vec4f();
  for (var k = 0u; k < product.depth; k++) {
    let kb = k * product.b_depth;
    let row = vec4f(b[b_at.x + kb], b[b_at.y + kb], b[b_at.z + kb], b[b_at.w + kb]);
    let ka = k * product.a_depth;
    s0 = fma(vec4f(a[a0 + ka]), row, s0);
    s1 = fma(vec4f(a[a1 + ka]), row, s1);
    s2 = fma(vec4f(a[a2 + ka]), row, s2);
    s3 = fma(vec4f(a[a3 + ka]), row, s3);
    s4 = fma(vec4f(a[a4 + ka]), row, s4);
    s5 = fma(vec4f(a[a5 + ka]), row, s5);
    s6 = fma(vec4f(a[a6 + ka]), row, s6);
    s7 = fma(vec4f(a[a7 + ka]), row, s7);
  }
  put_row(group.z, m, n, s0);
  put_row(group.z, m + 1u, n, s1);
  put_row(group.z, m + 2u, n, s2);
  put_row(group.z, m + 3u, n, s3);
  put_row(group.z, m + 4u, n, s4);
  put_row(group.z, m + 5u, n, s5);
  put_row(group.z, m + 6u, n, s6);
  put_row(group.z, m + 7u, n, s7);
}

fn put_row(matrix: u32, m: u32, n: u32, sums: vec4f) {
  put(matrix, m, n, sums.x);
  put(matrix, m, n + LANES, sums.y);
  put(matrix, m, n + 2u * LANES, sums.z);
  put(matrix, m, n + 3u * LANES, sums.w);
}
