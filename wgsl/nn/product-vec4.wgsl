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

const NEVER = 0x40000000u;

// A block of 4 × 4 floats that an invocation copies into each slab.
struct Piece {
  exists: bool,
  ofA: bool,
  // Its four vec4s in the first slab, and their distance to those of the next 4 of the depth.
  first: vec4u,
  step: u32,
  // The depth at which it begins in a slab, in vec4s; NEVER if there is no such piece.
  begin: u32,
  // Its four vec4s in `shared4`.
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
  var c00 = mat4x4f();
  var c01 = mat4x4f();
  var c10 = mat4x4f();
  var c11 = mat4x4f();
  // The first round only reads; the last one reads nothing.
  for (var k0 = 0u; k0 < product.depth + K_GROUPS * DEPTH4; k0 += K_GROUPS * DEPTH4) {
    let next0 = readPiece(piece0, k0);
    var next1 = mat4x4f();
    if (PIECES > GROUP) {
      next1 = readPiece(piece1, k0);
    }
    let steps = select(min(k0, DEPTH4), select(0u, DEPTH4, k0 > 0u), UNROLLED);
    for (var k4 = 0u; k4 < steps; k4++) {
      let aAt = kGroup * DEPTH * A_EDGE + 4u * k4 * A_EDGE;
      let bAt = A_SLAB + kGroup * DEPTH * B_EDGE + 4u * k4 * B_EDGE;
      let aNear = aAt + swizzled(y, k4, A_EDGE);
      let aFar = aAt + swizzled(y + GRID_Y, k4, A_EDGE);
      let bNear = bAt + swizzled(x, k4, B_EDGE);
      let bFar = bAt + swizzled(x + GRID_X, k4, B_EDGE);
      for (var i = 0u; i < 4u; i++) {
        let rows = shared4[aNear + i * A_EDGE];
        let columns = shared4[bNear + i * B_EDGE];
        c00 = addOuter(c00, rows, columns);
        if (TALL) {
          c10 = addOuter(c10, shared4[aFar + i * A_EDGE], columns);
        }
        if (WIDE) {
          let farColumns = shared4[bFar + i * B_EDGE];
          c01 = addOuter(c01, rows, farColumns);
          if (TALL) {
            c11 = addOuter(c11, shared4[aFar + i * A_EDGE], farColumns);
          }
        }
      }
    }
    workgroupBarrier();
    storePiece(piece0, next0);
    if (PIECES > GROUP) {
      storePiece(piece1, next1);
    }
    workgroupBarrier();
  }

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
  c00 = finishCell(c00, m, n);
  if (WIDE) {
    c01 = finishCell(c01, m, n + GRID_X);
  }
  if (TALL) {
    c10 = finishCell(c10, m + ROWS / 2u, n);
  }
  if (TALL && WIDE) {
    c11 = finishCell(c11, m + ROWS / 2u, n + GRID_X);
  }
  writeCell(c00, m, n);
  if (WIDE) {
    writeCell(c01, m, n + GRID_X);
  }
  if (TALL) {
    writeCell(c10, m + ROWS / 2u, n);
  }
  if (TALL && WIDE) {
    writeCell(c11, m + ROWS / 2u, n + GRID_X);
  }
}

fn addOuter(sums: mat4x4f, rows: vec4f, columns: vec4f) -> mat4x4f {
  return mat4x4f(
    fma(vec4f(rows.x), columns, sums[0]),
    fma(vec4f(rows.y), columns, sums[1]),
    fma(vec4f(rows.z), columns, sums[2]),
    fma(vec4f(rows.w), columns, sums[3]),
  );
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
    return Piece(exists, false, first, 1u, select(NEVER, start + k4, exists), bSlot + (4u * k4 + four) * B_EDGE + swizzled(at, k4, B_EDGE));
  }
  let k4 = inB / B_EDGE;
  let at = inB % B_EDGE;
  let first = (4u * (start + k4) + four) * product.bStride + min(n0 + at, product.columns - 1u);
  let slots = bSlot + (4u * k4 + four) * B_EDGE + swizzled(at, k4, B_EDGE);
  return Piece(exists, false, first, 4u * product.bStride, select(NEVER, start + k4, exists), slots);
}

// The block in the slabs from `k0`, vec4s along the edge. Rows and columns beyond the matrix repeat the last one and are not stored; beyond
// the depth everything is zero.
fn readPiece(piece: Piece, k0: u32) -> mat4x4f {
  let k = piece.begin + k0;
  if (k >= product.depth) {
    return mat4x4f();
  }
  let at = piece.first + k0 * piece.step;
  if (piece.ofA) {
    return transpose(mat4x4f(a[at.x], a[at.y], a[at.z], a[at.w]));
  }
  let rows = mat4x4f(b[at.x], b[at.y], b[at.z], b[at.w]);
  if (B_BY_DEPTH) {
    return transpose(rows);
  }
  return rows;
}

fn storePiece(piece: Piece, values: mat4x4f) {
  if (piece.exists) {
    shared4[piece.slots.x] = values[0];
    shared4[piece.slots.y] = values[1];
    shared4[piece.slots.z] = values[2];
    shared4[piece.slots.w] = values[3];
  }
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
