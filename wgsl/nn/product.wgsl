// C = alpha·A·B for GPUs. A workgroup of SIDE × SIDE invocations computes a tile of 4·SIDE × 4·SIDE entries of C, each
// invocation 4 × 4 of them in registers, from slabs of DEPTH columns of A and DEPTH rows of B in workgroup memory. A slab holds
// vec4s along the tile's edge, so each step of the inner loop is two loads and 16 multiply-adds.

#include <product>

const EDGE = 4u * SIDE;
const SLAB = SIDE * DEPTH;
const THREADS = SIDE * SIDE;

var<workgroup> aSlab: array<vec4f, SLAB>;
var<workgroup> bSlab: array<vec4f, SLAB>;

@compute @workgroup_size(SIDE, SIDE)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_id) local: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let m0 = group.y * EDGE;
  let n0 = group.x * EDGE;
  let aBase = aStart(group.z);
  let bBase = bStart(group.z);
  var s0 = vec4f();
  var s1 = vec4f();
  var s2 = vec4f();
  var s3 = vec4f();
  for (var k0 = 0u; k0 < product.depth; k0 += DEPTH) {
    for (var i = thread; i < SLAB; i += THREADS) {
      let at = slabPosition(i, product.aColumnStride == 1u);
      aSlab[at.y * SIDE + at.x] = loadA(aBase, m0 + 4u * at.x, k0 + at.y);
    }
    for (var i = thread; i < SLAB; i += THREADS) {
      let at = slabPosition(i, product.bRowStride == 1u);
      bSlab[at.y * SIDE + at.x] = loadB(bBase, n0 + 4u * at.x, k0 + at.y);
    }
    workgroupBarrier();
    for (var k = 0u; k < DEPTH; k++) {
      let rows = aSlab[k * SIDE + local.y];
      let columns = bSlab[k * SIDE + local.x];
      s0 = fma(vec4f(rows.x), columns, s0);
      s1 = fma(vec4f(rows.y), columns, s1);
      s2 = fma(vec4f(rows.z), columns, s2);
      s3 = fma(vec4f(rows.w), columns, s3);
    }
    workgroupBarrier();
  }
  let m = m0 + 4u * local.y;
  let n = n0 + 4u * local.x;
  let rows = rowsFrom(m, 4u);
  let epilogue = epilogueOf(group.z);
  let end = min(n + 4u, epilogue.columns);
  for (var r = 0u; r < rows; r++) {
    let sums = select(select(s0, s1, r == 1u), select(s2, s3, r == 3u), r >= 2u);
    for (var at = n; at < end; at++) {
      writeC(epilogue, m + r, at, sums[at - n]);
    }
  }
}

// The vec4 (x, along the edge) and the depth (y) that load i fills: neighbouring invocations read neighbours in memory.
fn slabPosition(i: u32, depthIsContiguous: bool) -> vec2u {
  if (depthIsContiguous) {
    return vec2u(i / DEPTH, i % DEPTH);
  }
  return vec2u(i % SIDE, i / SIDE);
}

// Rows beyond the matrix repeat the last one and are not stored; beyond the depth everything is zero.
fn loadA(start: u32, m: u32, k: u32) -> vec4f {
  if (k >= product.depth) {
    return vec4f();
  }
  let rows = start + min(m + vec4u(0u, 1u, 2u, 3u), vec4u(product.rows - 1u)) * product.aRowStride + k * product.aColumnStride;
  return vec4f(a[rows.x], a[rows.y], a[rows.z], a[rows.w]);
}

fn loadB(start: u32, n: u32, k: u32) -> vec4f {
  if (k >= product.depth) {
    return vec4f();
  }
  let columns =
    start + min(n + vec4u(0u, 1u, 2u, 3u), vec4u(product.columns - 1u)) * product.bColumnStride + k * product.bRowStride;
  return vec4f(b[columns.x], b[columns.y], b[columns.z], b[columns.w]);
}
