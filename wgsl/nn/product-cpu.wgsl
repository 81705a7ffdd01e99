// C = alpha·A·B for CPUs. A workgroup is one subgroup, a vector of the CPU, and computes ROWS rows × 8·SUBGROUP columns of C
// (4·SUBGROUP without WIDE) in registers and the nearest cache. The subgroup shuffles the values of A, so each step of the inner loop
// loads a row of B and nothing else. No barriers: each is a coroutine switch.
//
// Lavapipe loads lane by lane and checks each lane's bounds, so a load costs as much as twenty multiply-adds, and a vec4 as much as
// two loads. With VEC4 all loads of the inner loops are vec4s: the columns of A and B are contiguous, their rows whole vec4s.

#include <product>

// The buffers of A and B again.
@group(0) @binding(6) var<storage, read> aVec4: array<vec4f>;
@group(0) @binding(7) var<storage, read> bVec4: array<vec4f>;

// An invocation has the columns first, first + STEP, first + 2·STEP and first + 3·STEP of each half of the tile.
const STEP = select(SUBGROUP, 1u, VEC4);
// Rows of A that an invocation loads at once with VEC4.
const HELD = (ROWS + SUBGROUP - 1u) / SUBGROUP;

@compute @workgroup_size(SUBGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let m = group.y * ROWS;
  let firstNear = group.x * (select(4u, 8u, WIDE) * SUBGROUP) + select(lane, 4u * lane, VEC4);
  let firstFar = firstNear + 4u * SUBGROUP;
  let lastRow = product.rows - 1u;
  let aBase = aStart(group.z);
  let bBase = bStart(group.z);
  let depth = product.depth;
  let aRowStride = product.aRowStride;
  let bStep = product.bRowStride;
  var sumsNear: array<vec4f, ROWS>;
  var sumsFar: array<vec4f, ROWS>;
  if (VEC4) {
    let lastVec4 = product.columns - 4u;
    let bNear = (bBase + min(firstNear, lastVec4)) / 4u;
    let bFar = (bBase + min(firstFar, lastVec4)) / 4u;
    for (var k0 = 0u; k0 < depth; k0 += 4u) {
      var held: array<vec4f, HELD>;
      for (var h = 0u; h < HELD; h++) {
        held[h] = aVec4[(aBase + min(m + h * SUBGROUP + lane, lastRow) * aRowStride + k0) / 4u];
      }
      // Not a constant, so compilers keep the loop: unrolled, its registers spill.
      let steps = min(4u, depth - k0);
      for (var step = 0u; step < steps; step++) {
        let kb = (k0 + step) * (bStep / 4u);
        let rowNear = bVec4[bNear + kb];
        var rowFar = vec4f();
        if (WIDE) {
          rowFar = bVec4[bFar + kb];
        }
        var column: array<f32, HELD>;
        for (var h = 0u; h < HELD; h++) {
          column[h] = held[h][step];
        }
        for (var r = 0u; r < ROWS; r++) {
          let value = vec4f(subgroupShuffle(column[r / SUBGROUP], r % SUBGROUP));
          sumsNear[r] = fma(value, rowNear, sumsNear[r]);
          if (WIDE) {
            sumsFar[r] = fma(value, rowFar, sumsFar[r]);
          }
        }
      }
    }
  } else {
    let near = vec4u(firstNear, firstNear + STEP, firstNear + 2u * STEP, firstNear + 3u * STEP);
    let lastColumn = vec4u(product.columns - 1u);
    let bNear = bBase + min(near, lastColumn) * product.bColumnStride;
    let bFar = bBase + min(near + 4u * STEP, lastColumn) * product.bColumnStride;
    let aStep = product.aColumnStride;
    for (var k0 = 0u; k0 < depth; k0 += SUBGROUP) {
      // Beyond the depth an invocation reads the last value again; no step uses it.
      let mine = min(k0 + lane, depth - 1u) * aStep;
      var held: array<f32, ROWS>;
      for (var r = 0u; r < ROWS; r++) {
        held[r] = a[aBase + min(m + r, lastRow) * aRowStride + mine];
      }
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
  }
  let rows = rowsFrom(m, ROWS);
  let epilogue = epilogueOf(group.z);
  let nearEnd = min(firstNear + 4u * STEP, epilogue.columns);
  let farEnd = min(firstFar + 4u * STEP, epilogue.columns);
  for (var r = 0u; r < rows; r++) {
    // A chain of selects keeps the sums in registers; an index that is not constant would move them to memory.
    var rowNear = sumsNear[0];
    var rowFar = sumsFar[0];
    for (var i = 1u; i < ROWS; i++) {
      rowNear = select(rowNear, sumsNear[i], i == r);
      rowFar = select(rowFar, sumsFar[i], i == r);
    }
    for (var at = firstNear; at < nearEnd; at += STEP) {
      writeC(epilogue, m + r, at, rowNear[(at - firstNear) / STEP]);
    }
    if (WIDE) {
      for (var at = firstFar; at < farEnd; at += STEP) {
        writeC(epilogue, m + r, at, rowFar[(at - firstFar) / STEP]);
      }
    }
  }
}
