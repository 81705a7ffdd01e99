// C = alpha·A·B for CPUs. A workgroup is one subgroup, a vector of the CPU, and computes ROWS rows × 8·SUBGROUP columns of C
// (4·SUBGROUP without WIDE) in registers and the nearest cache. Each invocation reads one of SUBGROUP values of each row of A and
// the subgroup shuffles them, so a step of the inner loop is 8 loads for 8·ROWS multiply-adds. No barriers: each is a
// coroutine switch. Measured on lavapipe, where a load costs as much as ten multiply-adds: six to eight times as fast as
// the portable variant.

#include <product>

@compute @workgroup_size(SUBGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let m = group.y * ROWS;
  let n = group.x * (select(4u, 8u, WIDE) * SUBGROUP) + lane;
  let lastRow = product.rows - 1u;
  let aBase = aStart(group.z);
  let near = vec4u(n, n + SUBGROUP, n + 2u * SUBGROUP, n + 3u * SUBGROUP);
  let lastColumn = vec4u(product.columns - 1u);
  let bNear = bStart(group.z) + min(near, lastColumn) * product.bColumnStride;
  let bFar = bStart(group.z) + min(near + 4u * SUBGROUP, lastColumn) * product.bColumnStride;
  var sumsNear: array<vec4f, ROWS>;
  var sumsFar: array<vec4f, ROWS>;
  let depth = product.depth;
  let aStep = product.aColumnStride;
  let bStep = product.bRowStride;
  let aRowStride = product.aRowStride;
  for (var k0 = 0u; k0 < depth; k0 += SUBGROUP) {
    // Beyond the depth an invocation reads the last value again; no step uses it.
    let mine = min(k0 + lane, depth - 1u) * aStep;
    var held: array<f32, ROWS>;
    for (var r = 0u; r < ROWS; r++) {
      held[r] = a[aBase + min(m + r, lastRow) * aRowStride + mine];
    }
    // Not a constant, so compilers keep the loop: unrolled, its registers spill.
    let steps = min(SUBGROUP, depth - k0);
    for (var step = 0u; step < steps; step++) {
      let kb = (k0 + step) * bStep;
      let rowNear = vec4f(b[bNear.x + kb], b[bNear.y + kb], b[bNear.z + kb], b[bNear.w + kb]);
      var rowFar = vec4f();
      if (WIDE) {
        rowFar = vec4f(b[bFar.x + kb], b[bFar.y + kb], b[bFar.z + kb], b[bFar.w + kb]);
      }
      for (var r = 0u; r < ROWS; r++) {
        let value = vec4f(subgroupShuffle(held[r], step));
        sumsNear[r] = fma(value, rowNear, sumsNear[r]);
        if (WIDE) {
          sumsFar[r] = fma(value, rowFar, sumsFar[r]);
        }
      }
    }
  }
  let rows = rowsFrom(m, ROWS);
  let epilogue = epilogueOf(group.z);
  let middle = n + 4u * SUBGROUP;
  let nearEnd = min(middle, epilogue.columns);
  let farEnd = min(middle + 4u * SUBGROUP, epilogue.columns);
  for (var r = 0u; r < rows; r++) {
    // A chain of selects keeps the sums in registers; an index that is not constant would move them to memory.
    var rowNear = sumsNear[0];
    var rowFar = sumsFar[0];
    for (var i = 1u; i < ROWS; i++) {
      rowNear = select(rowNear, sumsNear[i], i == r);
      rowFar = select(rowFar, sumsFar[i], i == r);
    }
    for (var at = n; at < nearEnd; at += SUBGROUP) {
      writeC(epilogue, m + r, at, rowNear[(at - n) / SUBGROUP]);
    }
    if (WIDE) {
      for (var at = middle; at < farEnd; at += SUBGROUP) {
        writeC(epilogue, m + r, at, rowFar[(at - middle) / SUBGROUP]);
      }
    }
  }
}
