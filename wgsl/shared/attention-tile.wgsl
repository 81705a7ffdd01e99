// Tiles of attention on GPUs: TILE × TILE numbers by 8 × 8 invocations, each of which has rows y + 8·i and columns x + 8·j as a
// matrix of 4 × 4. Channels are read as vec4s; heads are a multiple of 4 channels wide. A workgroup writes 64
// channels, those of a pair of slabs; workgroups along z share a wider head, and each computes its scores. Included by the
// kernels of nn/attention.

const TILE = 32u;
const THREADS = 64u;
// Channels of a slab in vec4s, and the distance of its rows: one more, so that invocations read different banks.
const SLAB4 = 8u;
const SLAB_ROW = SLAB4 + 1u;
// Channels that a workgroup writes, in vec4s: those of a pair of slabs.
const PAIR4 = 2u * SLAB4;

struct Attention {
  queries: u32,
  keys: u32,
  heads: u32,
  // Vec4s of a head.
  head4: u32,
  isCausal: u32,
  // Vec4s from a token to the next, and of the first channel, in the tensors of q, k and v.
  qStride: u32,
  kStride: u32,
  vStride: u32,
  qOffset: u32,
  kOffset: u32,
  vOffset: u32,
  // 1/√width of a head.
  alpha: f32,
  // Backward: tiles of queries, 0 if q needs no gradient; whether the gradients are added to.
  queryTiles: u32,
  // Backward: q, k and v are one tensor.
  isPacked: u32,
  qAccumulates: u32,
  kvAccumulates: u32,
}

const EIGHTS = vec4u(0u, 8u, 16u, 24u);

@group(0) @binding(0) var<uniform> attention: Attention;
@group(0) @binding(1) var<storage, read> q: array<vec4f>;
@group(0) @binding(2) var<storage, read> k: array<vec4f>;
@group(0) @binding(3) var<storage, read> v: array<vec4f>;

// Rows of both operands of a product over channels, or rows of one operand with the channels of a pair.
var<workgroup> slab: array<vec4f, 2u * TILE * SLAB_ROW>;
// A tile, by column: the vec4 of column c and rows y + 8·i is at c·SLAB_ROW + y.
var<workgroup> weights: array<vec4f, TILE * SLAB_ROW>;
var<workgroup> partials: array<vec4f, THREADS>;

// The bound n of a loop. GPUs unroll the loop; a software adapter would take minutes to compile it unrolled, so there the bound is
// not a constant: `heads` is not 0.
fn bound(n: u32) -> u32 {
  if (ROLLED) {
    return min(n, n * attention.heads);
  }
  return n;
}

// Where a (batch, head) starts, and a vec4 of one of its tokens; rows and channels beyond the last repeat it.
fn qStart(matrix: u32) -> u32 {
  return matrix / attention.heads * attention.queries * attention.qStride + attention.qOffset + matrix % attention.heads * attention.head4;
}

fn readQ(start: u32, row: u32, channel: u32) -> vec4f {
  return q[start + min(row, attention.queries - 1u) * attention.qStride + min(channel, attention.head4 - 1u)];
}

fn kStart(matrix: u32) -> u32 {
  return matrix / attention.heads * attention.keys * attention.kStride + attention.kOffset + matrix % attention.heads * attention.head4;
}

fn readK(start: u32, row: u32, channel: u32) -> vec4f {
  return k[start + min(row, attention.keys - 1u) * attention.kStride + min(channel, attention.head4 - 1u)];
}

fn vStart(matrix: u32) -> u32 {
  return matrix / attention.heads * attention.keys * attention.vStride + attention.vOffset + matrix % attention.heads * attention.head4;
}

fn readV(start: u32, row: u32, channel: u32) -> vec4f {
  return v[start + min(row, attention.keys - 1u) * attention.vStride + min(channel, attention.head4 - 1u)];
}

// Four rows of a tile, y + 8·i, by column.
fn storeWeights(r0: vec4f, r1: vec4f, r2: vec4f, r3: vec4f, x: u32, y: u32) {
  let at = x * SLAB_ROW + y;
  let step = 8u * SLAB_ROW;
  weights[at] = vec4f(r0.x, r1.x, r2.x, r3.x);
  weights[at + step] = vec4f(r0.y, r1.y, r2.y, r3.y);
  weights[at + 2u * step] = vec4f(r0.z, r1.z, r2.z, r3.z);
  weights[at + 3u * step] = vec4f(r0.w, r1.w, r2.w, r3.w);
}
