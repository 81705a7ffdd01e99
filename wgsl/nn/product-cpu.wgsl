// C = alpha·A·B for CPUs. A workgroup is one subgroup, a vector of the CPU. It computes 4·SUBGROUP columns of its rows of C, four
// contiguous ones an invocation, and copies DEPTH rows of B at a time to a panel in private memory. No barriers: each is a coroutine
// switch.
//
// Lavapipe loads lane by lane and checks each lane's bounds, so a load of a vec4 costs as much as a hundred multiply-adds. Private
// memory at a constant index costs nothing: it is an operand of the multiply-add. Therefore the loop over the panel is unrolled, a
// panel serves many rows, and the subgroup loads a row of A together and shuffles its values. A_VEC4: the rows of A are whole vec4s.
// B_VEC4: the rows of B are (ROWS_OF_B), or its columns (COLUMNS_OF_B). C_VEC4: the rows of C are. IN_ONE: the depth fits one panel.

#include <product>

const ROWS_OF_B = 1u;
const COLUMNS_OF_B = 2u;

// The buffers of A, B, the residual and C again. Only one of C and cVec4 is used.
@group(0) @binding(6) var<storage, read> aVec4: array<vec4f>;
@group(0) @binding(7) var<storage, read> bVec4: array<vec4f>;
@group(0) @binding(8) var<storage, read> residualVec4: array<vec4f>;
@group(0) @binding(9) var<storage, read_write> cVec4: array<vec4f>;

// Depth that the subgroup loads as one vec4 in each invocation.
const BLOCK = 4u * SUBGROUP;
// Values of a row of A that an invocation loads: vec4s, or floats without A_VEC4.
const LOADED_VEC4S = (DEPTH + BLOCK - 1u) / BLOCK;
const LOADED = (DEPTH + SUBGROUP - 1u) / SUBGROUP;

// Four columns of one row of B; zeros beyond the depth.
fn readB(starts: vec4u, k: u32) -> vec4f {
  let row = min(k, product.depth - 1u) * product.bRowStride;
  if (B_VEC4 == ROWS_OF_B) {
    return select(vec4f(), bVec4[(starts.x + row) / 4u], k < product.depth);
  }
  let at = starts + row;
  return select(vec4f(), vec4f(b[at.x], b[at.y], b[at.z], b[at.w]), k < product.depth);
}

// Four rows of four columns of B, transposed; zeros beyond the depth, which is a multiple of 4.
fn readColumns(starts: vec4u, k: u32) -> mat4x4f {
  let at = (starts + min(k, product.depth - 4u)) / 4u;
  return f32(k < product.depth) * mat4x4f(bVec4[at.x], bVec4[at.y], bVec4[at.z], bVec4[at.w]);
}

// Writes four columns of a row of C from n on, as writeC does.
fn writeVec4(epilogue: Epilogue, m: u32, n: u32, sum: vec4f, biases: vec4f) {
  let at = (epilogue.start + m * epilogue.rowStride + n) / 4u;
  var value = epilogue.alpha * sum;
  if (epilogue.addsBias) {
    value += biases;
  }
  if (epilogue.addsResidual) {
    value += residualVec4[at];
  }
  if (epilogue.accumulates) {
    value += cVec4[at];
  }
  cVec4[at] = value;
}

fn writeRow(epilogue: Epilogue, m: u32, first: u32, sum: vec4f, biases: vec4f) {
  if (C_VEC4) {
    if (first < epilogue.columns) {
      writeVec4(epilogue, m, first, sum, biases);
    }
  } else {
    let end = min(first + 4u, epilogue.columns);
    for (var n = first; n < end; n++) {
      writeC(epilogue, m, n, sum[n - first]);
    }
  }
}

@compute @workgroup_size(SUBGROUP)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let groupRows = (product.rows + groups.y - 1u) / groups.y;
  let m0 = group.y * groupRows;
  let rows = rowsFrom(m0, groupRows);
  let first = 4u * (group.x * SUBGROUP + lane);
  let depth = product.depth;
  // 1, but not a constant, so compilers keep loops rolled.
  let one = min(1u, depth);
  let aStep = product.aColumnStride;
  let aRowStride = product.aRowStride;
  let aBase = aStart(group.z);
  let bBase = bStart(group.z);
  let columns = min(first + vec4u(0u, 1u, 2u, 3u), vec4u(product.columns - 1u));
  let nearest = select(columns.x, min(first, product.columns - 4u), B_VEC4 == ROWS_OF_B);
  let starts = bBase + vec4u(nearest, columns.yzw) * product.bColumnStride;
  let epilogue = epilogueOf(group.z);
  var biases = vec4f();
  if (C_VEC4 && epilogue.addsBias) {
    biases = vec4f(bias[columns.x], bias[columns.y], bias[columns.z], bias[columns.w]);
  }
  // The dimensions are the turns of the loops below, which compilers unroll for that reason.
  var panel: array<array<array<vec4f, 4>, SUBGROUP>, LOADED_VEC4S>;
  var sums: array<vec4f, SUMS>;
  if (!IN_ONE) {
    for (var r = 0u; r < rows; r++) {
      sums[r] = vec4f();
    }
  }
  for (var k0 = 0u; k0 < depth; k0 += DEPTH) {
    let end = DEPTH * one;
    if (B_VEC4 == COLUMNS_OF_B) {
      for (var k = 0u; k < end; k += 4u) {
        let rowsOfB = transpose(readColumns(starts, k0 + k));
        for (var i = 0u; i < 4u; i++) {
          panel[k / BLOCK][k / 4u % SUBGROUP][i] = rowsOfB[i];
        }
      }
    } else {
      for (var k = 0u; k < end; k++) {
        panel[k / BLOCK][k / 4u % SUBGROUP][k % 4u] = readB(starts, k0 + k);
      }
    }
    for (var r = 0u; r < rows; r++) {
      let row = aBase + (m0 + r) * aRowStride;
      // Beyond the depth an invocation reads the last values again; the panel has zeros there.
      var loadedVec4s = array<vec4f, LOADED_VEC4S>();
      var loaded = array<f32, LOADED>();
      if (A_VEC4) {
        for (var i = 0u; i < LOADED_VEC4S; i++) {
          loadedVec4s[i] = aVec4[(row + min(k0 + 4u * (i * SUBGROUP + lane), depth - 4u)) / 4u];
        }
      } else {
        for (var i = 0u; i < LOADED; i++) {
          loaded[i] = a[row + min(k0 + i * SUBGROUP + lane, depth - 1u) * aStep];
        }
      }
      var sum = vec4f();
      if (!IN_ONE) {
        sum = sums[r];
      }
      // A loop of one turn: without it, the compiler moves the additions to where the sums are stored, and spills the products.
      for (var turn = 0u; turn < one; turn++) {
        for (var part = 0u; part < LOADED_VEC4S; part++) {
          for (var source = 0u; source < SUBGROUP; source++) {
            for (var i = 0u; i < 4u; i++) {
              let k = part * BLOCK + 4u * source + i;
              if (k < DEPTH) {
                var value = 0.0;
                if (A_VEC4) {
                  value = subgroupShuffle(loadedVec4s[part][i], source);
                } else {
                  value = subgroupShuffle(loaded[k / SUBGROUP], k % SUBGROUP);
                }
                sum = fma(vec4f(value), panel[part][source][i], sum);
              }
            }
          }
        }
      }
      if (IN_ONE) {
        writeRow(epilogue, m0 + r, first, sum, biases);
      } else {
        sums[r] = sum;
      }
    }
  }
  if (!IN_ONE) {
    for (var r = 0u; r < rows; r++) {
      writeRow(epilogue, m0 + r, first, sums[r], biases);
    }
  }
}
