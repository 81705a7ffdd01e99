// C = A·B (+ bias) (+ residual) (+ C) for GPUs, where all rows of all matrices are whole vec4s. With ACTIVATION 1, C = gelu(P) of that
// sum P, which is stored too; with 2, C = A·B·gelu′(P). A workgroup computes a tile of ROWS × COLUMNS entries of C. Its invocations form K_GROUPS groups; each sums every K_GROUPS-th slab of DEPTH columns of A and rows of B, and the
// sums of the groups are added in the order of the groups. An invocation keeps CELL_ROWS × CELL_COLUMNS entries in registers.
//
// A slab holds vec4s along the edge of the tile. It is filled from blocks of 4 × 4 floats, read as vec4s along their contiguous
// axis; the blocks of the next slab are read while the sums of this one are computed.

#include <gelu>

struct Product {
  rows: u32,
  // In vec4s, as the strides: from a row of A, B or C to the next one of its buffer.
  columns: u32,
  depth: u32,
  aStride: u32,
  bStride: u32,
  cStride: u32,
}

@group(0) @binding(0) var<uniform> product: Product;
@group(0) @binding(1) var<storage, read> a: array<vec4f>;
@group(0) @binding(2) var<storage, read> b: array<vec4f>;
@group(0) @binding(3) var<storage, read> bias: array<vec4f>;
@group(0) @binding(4) var<storage, read> residual: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> preactivation: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> c: array<vec4f>;

const TALL = CELL_ROWS == 8u;
const WIDE = CELL_COLUMNS == 8u;
const GRID_X = COLUMNS / CELL_COLUMNS;
const GRID_Y = ROWS / CELL_ROWS;
const GROUP = GRID_X * GRID_Y;
const THREADS = GROUP * K_GROUPS;
// Neighbouring invocations form a patch of the grid: they share more of what they read than a row would.
const PATCH_X = min(8u, GRID_X);
const PATCH_Y = min(4u, GRID_Y);

// Edges and depth in vec4s.
const A_EDGE = ROWS / 4u;
const B_EDGE = COLUMNS / 4u;
const DEPTH4 = DEPTH / 4u;
const A_PIECES = A_EDGE * DEPTH4;
const PIECES = A_PIECES + B_EDGE * DEPTH4;
const A_SLAB = K_GROUPS * DEPTH * A_EDGE;
const SLABS = K_GROUPS * DEPTH * (A_EDGE + B_EDGE);
const CELLS = select(0u, 4u * THREADS, K_GROUPS > 1u);

// The slabs of A, then those of B; after the loop, the cells of all groups.
var<workgroup> shared4: array<vec4f, max(SLABS, CELLS)>;

const BEYOND_DEPTH = 0x40000000u;

// A block of 4 × 4 floats that an invocation copies into each slab.
struct Piece {
  exists: bool,
  ofA: bool,
  // Its four vec4s in the first slab, and their distance to those of the next 4 of the depth.
  first: vec4u,
  step: u32,
  // The depth at which it begins in a slab, in vec4s; BEYOND_DEPTH if there is no such piece.
  begin: u32,
  // Its four vec4s in `shared4`, along the edge.
  slots: vec4u,
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let kGroup = thread / GROUP;
  let member = thread % GROUP;
  let patchIndex = member / (PATCH_X * PATCH_Y);
  let inPatch = member % (PATCH_X * PATCH_Y);
  let x = patchIndex % (GRID_X / PATCH_X) * PATCH_X + inPatch % PATCH_X;
  let y = patchIndex / (GRID_X / PATCH_X) * PATCH_Y + inPatch / PATCH_X;
  let m0 = group.y * ROWS;
  let n0 = group.x * B_EDGE;

  let piece0 = pieceOf(member, kGroup, m0, n0);
  let piece1 = pieceOf(member + GROUP, kGroup, m0, n0);
  // The sums of near and far rows, for the near columns (s) and the far ones (t). No function has a part in the loop: measured, a GPU is half as fast
  // with one.
  var s0 = vec4f();
  var s1 = vec4f();
  var s2 = vec4f();
  var s3 = vec4f();
  var s4 = vec4f();
  var s5 = vec4f();
  var s6 = vec4f();
  var s7 = vec4f();
  var t0 = vec4f();
  var t1 = vec4f();
  var t2 = vec4f();
  var t3 = vec4f();
  var t4 = vec4f();
  var t5 = vec4f();
  var t6 = vec4f();
  var t7 = vec4f();
  // The first round only reads; the last one reads nothing.
  for (var k0 = 0u; k0 < product.depth + K_GROUPS * DEPTH4; k0 += K_GROUPS * DEPTH4) {
    var p00 = vec4f();
    var p01 = vec4f();
    var p02 = vec4f();
    var p03 = vec4f();
    if (k0 + piece0.begin < product.depth) {
      let at = piece0.first + k0 * piece0.step;
      if (piece0.ofA) {
        p00 = a[at.x];
        p01 = a[at.y];
        p02 = a[at.z];
        p03 = a[at.w];
      } else {
        p00 = b[at.x];
        p01 = b[at.y];
        p02 = b[at.z];
        p03 = b[at.w];
      }
    }
    var p10 = vec4f();
    var p11 = vec4f();
    var p12 = vec4f();
    var p13 = vec4f();
    if (PIECES > GROUP && k0 + piece1.begin < product.depth) {
      let at = piece1.first + k0 * piece1.step;
      if (piece1.ofA) {
        p10 = a[at.x];
        p11 = a[at.y];
        p12 = a[at.z];
        p13 = a[at.w];
      } else {
        p10 = b[at.x];
        p11 = b[at.y];
        p12 = b[at.z];
        p13 = b[at.w];
      }
    }
    let steps = min(k0, DEPTH4);
    for (var k4 = 0u; k4 < steps; k4++) {
      let aAt = kGroup * DEPTH * A_EDGE + 4u * k4 * A_EDGE;
      let bAt = A_SLAB + kGroup * DEPTH * B_EDGE + 4u * k4 * B_EDGE;
      let aSwizzle = (2u * k4) & (min(8u, A_EDGE) - 1u);
      let bSwizzle = (2u * k4) & (min(8u, B_EDGE) - 1u);
      let aNear = aAt + (y ^ aSwizzle);
      let aFar = aAt + ((y + GRID_Y) ^ aSwizzle);
      let bNear = bAt + (x ^ bSwizzle);
      let bFar = bAt + ((x + GRID_X) ^ bSwizzle);
      for (var i = 0u; i < 4u; i++) {
        let rows = shared4[aNear + i * A_EDGE];
        let columns = shared4[bNear + i * B_EDGE];
        var farRows = vec4f();
        var farColumns = vec4f();
        if (TALL) {
          farRows = shared4[aFar + i * A_EDGE];
        }
        if (WIDE) {
          farColumns = shared4[bFar + i * B_EDGE];
        }
        s0 = fma(vec4f(rows.x), columns, s0);
        s1 = fma(vec4f(rows.y), columns, s1);
        s2 = fma(vec4f(rows.z), columns, s2);
        s3 = fma(vec4f(rows.w), columns, s3);
        if (TALL) {
          s4 = fma(vec4f(farRows.x), columns, s4);
          s5 = fma(vec4f(farRows.y), columns, s5);
          s6 = fma(vec4f(farRows.z), columns, s6);
          s7 = fma(vec4f(farRows.w), columns, s7);
        }
        if (WIDE) {
          t0 = fma(vec4f(rows.x), farColumns, t0);
          t1 = fma(vec4f(rows.y), farColumns, t1);
          t2 = fma(vec4f(rows.z), farColumns, t2);
          t3 = fma(vec4f(rows.w), farColumns, t3);
        }
        if (TALL && WIDE) {
          t4 = fma(vec4f(farRows.x), farColumns, t4);
          t5 = fma(vec4f(farRows.y), farColumns, t5);
          t6 = fma(vec4f(farRows.z), farColumns, t6);
          t7 = fma(vec4f(farRows.w), farColumns, t7);
        }
      }
    }
    workgroupBarrier();
    if (piece0.exists) {
      if (B_BY_DEPTH || piece0.ofA) {
        shared4[piece0.slots.x] = vec4f(p00.x, p01.x, p02.x, p03.x);
        shared4[piece0.slots.y] = vec4f(p00.y, p01.y, p02.y, p03.y);
        shared4[piece0.slots.z] = vec4f(p00.z, p01.z, p02.z, p03.z);
        shared4[piece0.slots.w] = vec4f(p00.w, p01.w, p02.w, p03.w);
      } else {
        shared4[piece0.slots.x] = p00;
        shared4[piece0.slots.y] = p01;
        shared4[piece0.slots.z] = p02;
        shared4[piece0.slots.w] = p03;
      }
    }
    if (PIECES > GROUP && piece1.exists) {
      if (B_BY_DEPTH || piece1.ofA) {
        shared4[piece1.slots.x] = vec4f(p10.x, p11.x, p12.x, p13.x);
        shared4[piece1.slots.y] = vec4f(p10.y, p11.y, p12.y, p13.y);
        shared4[piece1.slots.z] = vec4f(p10.z, p11.z, p12.z, p13.z);
        shared4[piece1.slots.w] = vec4f(p10.w, p11.w, p12.w, p13.w);
      } else {
        shared4[piece1.slots.x] = p10;
        shared4[piece1.slots.y] = p11;
        shared4[piece1.slots.z] = p12;
        shared4[piece1.slots.w] = p13;
      }
    }
    workgroupBarrier();
  }

  let c00 = mat4x4f(s0, s1, s2, s3);
  let c10 = mat4x4f(s4, s5, s6, s7);
  let c01 = mat4x4f(t0, t1, t2, t3);
  let c11 = mat4x4f(t4, t5, t6, t7);
  let m = m0 + 4u * y;
  let n = n0 + x;
  if (K_GROUPS > 1u) {
    writeSum(c00, m, n, kGroup, member);
    if (WIDE) {
      writeSum(c01, m, n + GRID_X, kGroup, member);
    }
    if (TALL) {
      writeSum(c10, m + ROWS / 2u, n, kGroup, member);
    }
    if (TALL && WIDE) {
      writeSum(c11, m + ROWS / 2u, n + GRID_X, kGroup, member);
    }
    return;
  }
  // All reads, then all writes: a read behind a write waits for it.
  let d00 = finishCell(c00, m, n);
  var d01 = c01;
  var d10 = c10;
  var d11 = c11;
  if (WIDE) {
    d01 = finishCell(c01, m, n + GRID_X);
  }
  if (TALL) {
    d10 = finishCell(c10, m + ROWS / 2u, n);
  }
  if (TALL && WIDE) {
    d11 = finishCell(c11, m + ROWS / 2u, n + GRID_X);
  }
  writeCell(d00, m, n);
  if (WIDE) {
    writeCell(d01, m, n + GRID_X);
  }
  if (TALL) {
    writeCell(d10, m + ROWS / 2u, n);
  }
  if (TALL && WIDE) {
    writeCell(d11, m + ROWS / 2u, n + GRID_X);
  }
}

// Where a slab holds vec4 `at` of a row, for rows 4·k4 … 4·k4 + 3: invocations that store blocks of different depths use different banks.
fn swizzled(at: u32, k4: u32, edge: u32) -> u32 {
  return at ^ ((2u * k4) & (min(8u, edge) - 1u));
}

fn pieceOf(number: u32, kGroup: u32, m0: u32, n0: u32) -> Piece {
  let four = vec4u(0u, 1u, 2u, 3u);
  let aSlot = kGroup * DEPTH * A_EDGE;
  let bSlot = A_SLAB + kGroup * DEPTH * B_EDGE;
  let start = kGroup * DEPTH4;
  if (number < A_PIECES) {
    let k4 = number % DEPTH4;
    let at = number / DEPTH4;
    let first = min(m0 + 4u * at + four, vec4u(product.rows - 1u)) * product.aStride + start + k4;
    return Piece(true, true, first, 1u, start + k4, aSlot + (4u * k4 + four) * A_EDGE + swizzled(at, k4, A_EDGE));
  }
  let exists = number < PIECES;
  let inB = number - A_PIECES;
  if (B_BY_DEPTH) {
    let k4 = inB % DEPTH4;
    let at = inB / DEPTH4;
    let first = min(4u * (n0 + at) + four, vec4u(4u * product.columns - 1u)) * product.bStride + start + k4;
    return Piece(exists, false, first, 1u, select(BEYOND_DEPTH, start + k4, exists), bSlot + (4u * k4 + four) * B_EDGE + swizzled(at, k4, B_EDGE));
  }
  let k4 = inB / B_EDGE;
  let at = inB % B_EDGE;
  let first = (4u * (start + k4) + four) * product.bStride + min(n0 + at, product.columns - 1u);
  let slots = bSlot + (4u * k4 + four) * B_EDGE + swizzled(at, k4, B_EDGE);
  return Piece(exists, false, first, 4u * product.bStride, select(BEYOND_DEPTH, start + k4, exists), slots);
}

// Adds the cells of all groups in the order of the groups and writes the sum; each group finishes some of the rows.
fn writeSum(cell: mat4x4f, m: u32, n: u32, kGroup: u32, member: u32) {
  let at = 4u * kGroup * GROUP + member;
  shared4[at] = cell[0];
  shared4[at + GROUP] = cell[1];
  shared4[at + 2u * GROUP] = cell[2];
  shared4[at + 3u * GROUP] = cell[3];
  workgroupBarrier();
  for (var r = kGroup; r < 4u; r += K_GROUPS) {
    var sum = vec4f();
    for (var g = 0u; g < K_GROUPS; g++) {
      sum += shared4[(4u * g + r) * GROUP + member];
    }
    writeRow(finishRow(sum, m + r, n), m + r, n);
  }
  workgroupBarrier();
}

fn finishCell(cell: mat4x4f, m: u32, n: u32) -> mat4x4f {
  return mat4x4f(
    finishRow(cell[0], m, n),
    finishRow(cell[1], m + 1u, n),
    finishRow(cell[2], m + 2u, n),
    finishRow(cell[3], m + 3u, n),
  );
}

fn writeCell(cell: mat4x4f, m: u32, n: u32) {
  writeRow(cell[0], m, n);
  writeRow(cell[1], m + 1u, n);
  writeRow(cell[2], m + 2u, n);
  writeRow(cell[3], m + 3u, n);
}

// The epilogue for a vec4 of C. Outside the matrix it reads the last row or column, and nothing is written.
fn finishRow(sums: vec4f, m: u32, n: u32) -> vec4f {
  let column = min(n, product.columns - 1u);
  let at = min(m, product.rows - 1u) * product.cStride + column;
  var value = sums;
  if (HAS_BIAS) {
    value += bias[column];
  }
  if (HAS_RESIDUAL) {
    value += residual[at];
  }
  if (ACCUMULATES) {
    value += c[at];
  }
  if (ACTIVATION == 2u) {
    let p = preactivation[at];
    value *= vec4f(geluDerivative(p.x), geluDerivative(p.y), geluDerivative(p.z), geluDerivative(p.w));
  }
  return value;
}

fn writeRow(value: vec4f, m: u32, n: u32) {
  if (m >= product.rows || n >= product.columns) {
    return;
  }
  let at = m * product.cStride + n;
  if (ACTIVATION == 1u) {
    preactivation[at] = value;
    c[at] = vec4f(gelu(value.x), gelu(value.y), gelu(value.z), gelu(value.w));
  } else {
    c[at] = value;
  }
}
