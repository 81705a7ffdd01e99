// C = alpha·A·B for CPUs. A workgroup is one subgroup, a vector of the CPU, and computes ROWS rows × 8·SUBGROUP columns of C
// (4·SUBGROUP without WIDE) in registers and the nearest cache. The subgroup shuffles the values of A, so each step of the inner loop
// loads a row of B and nothing else. No barriers: each is a coroutine switch.
//
// Lavapipe loads lane by lane and checks each lane's bounds, so a load costs as much as twenty multiply-adds, and a vec4 as much as
// two loads. A_VEC4: the rows of A are whole vec4s. B_VEC4: the rows of B are (ROWS_OF_B), or its columns (COLUMNS_OF_B, with A_VEC4).

#include <product>

const ROWS_OF_B = 1u;
const COLUMNS_OF_B = 2u;

// The buffers of A and B again.
@group(0) @binding(6) var<storage, read> aVec4: array<vec4f>;
@group(0) @binding(7) var<storage, read> bVec4: array<vec4f>;

// An invocation has the columns first, first + STEP, first + 2·STEP and first + 3·STEP of each half of the tile.
const STEP = select(SUBGROUP, 1u, B_VEC4 == ROWS_OF_B);
// Columns of A that the subgroup loads at once: in a lane a vec4 of a row, or a column of all rows.
const BLOCK = select(SUBGROUP, 4u, A_VEC4);
const LOADED_VEC4S = (ROWS + SUBGROUP - 1u) / SUBGROUP;

// Where the values of 4 columns of C begin in B.
fn columnStarts(start: u32, first: u32) -> vec4u {
  let last = product.columns - 1u;
  if (B_VEC4 == ROWS_OF_B) {
    return vec4u((start + min(first, product.columns - 4u)) / 4u);
  }
  let columns = min(vec4u(first, first + STEP, first + 2u * STEP, first + 3u * STEP), vec4u(last));
  return start + columns * product.bColumnStride;
}

fn readRow(starts: vec4u, row: u32) -> vec4f {
  if (B_VEC4 == ROWS_OF_B) {
    return bVec4[starts.x + row / 4u];
  }
  return vec4f(b[starts.x + row], b[starts.y + row], b[starts.z + row], b[starts.w + row]);
}

// Four rows of B from k on, transposed.
fn readColumns(starts: vec4u, k: u32) -> mat4x4f {
  let at = (starts + k) / 4u;
  return mat4x4f(bVec4[at.x], bVec4[at.y], bVec4[at.z], bVec4[at.w]);
}

fn rowOf(columns: mat4x4f, i: u32) -> vec4f {
  return vec4f(columns[0][i], columns[1][i], columns[2][i], columns[3][i]);
}

@compute @workgroup_size(SUBGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let m = group.y * ROWS;
  let firstNear = group.x * (select(4u, 8u, WIDE) * SUBGROUP) + select(lane, 4u * lane, STEP == 1u);
  let firstFar = firstNear + 4u * SUBGROUP;
  let lastRow = product.rows - 1u;
  let aBase = aStart(group.z);
  let bBase = bStart(group.z);
  let bNear = columnStarts(bBase, firstNear);
  let bFar = columnStarts(bBase, firstFar);
  let depth = product.depth;
  let aStep = product.aColumnStride;
  let bStep = product.bRowStride;
  let aRowStride = product.aRowStride;
  var sumsNear: array<vec4f, ROWS>;
  var sumsFar: array<vec4f, ROWS>;
  for (var k0 = 0u; k0 < depth; k0 += BLOCK) {
    var loadedVec4s: array<vec4f, LOADED_VEC4S>;
    var loaded: array<f32, ROWS>;
    if (A_VEC4) {
      for (var h = 0u; h < LOADED_VEC4S; h++) {
        loadedVec4s[h] = aVec4[(aBase + min(m + h * SUBGROUP + lane, lastRow) * aRowStride + k0) / 4u];
      }
    } else {
      // Beyond the depth an invocation reads the last value again; no step uses it.
      let columnOffset = min(k0 + lane, depth - 1u) * aStep;
      for (var r = 0u; r < ROWS; r++) {
        loaded[r] = a[aBase + min(m + r, lastRow) * aRowStride + columnOffset];
      }
    }
    var columnsNear = mat4x4f();
    var columnsFar = mat4x4f();
    if (B_VEC4 == COLUMNS_OF_B) {
      columnsNear = readColumns(bNear, k0);
      if (WIDE) {
        columnsFar = readColumns(bFar, k0);
      }
    }
    // Not a constant, so compilers keep the loop: unrolled, its registers spill.
    let steps = min(BLOCK, depth - k0);
    for (var step = 0u; step < steps; step++) {
      var rowNear = vec4f();
      var rowFar = vec4f();
      if (B_VEC4 == COLUMNS_OF_B) {
        rowNear = rowOf(columnsNear, step);
        rowFar = rowOf(columnsFar, step);
      } else {
        rowNear = readRow(bNear, (k0 + step) * bStep);
        if (WIDE) {
          rowFar = readRow(bFar, (k0 + step) * bStep);
        }
      }
      var column: array<f32, LOADED_VEC4S>;
      for (var h = 0u; h < LOADED_VEC4S; h++) {
        column[h] = loadedVec4s[h][step];
      }
      for (var r = 0u; r < ROWS; r++) {
        var value = 0.0;
        if (A_VEC4) {
          value = subgroupShuffle(column[r / SUBGROUP], r % SUBGROUP);
        } else {
          value = subgroupShuffle(loaded[r], step);
        }
        sumsNear[r] = fma(vec4f(value), rowNear, sumsNear[r]);
        if (WIDE) {
          sumsFar[r] = fma(vec4f(value), rowFar, sumsFar[r]);
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
