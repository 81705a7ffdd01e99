// Tiles of attention on GPUs: TILE × TILE numbers by 8 × 8 invocations, each of which has rows y + 8·i and columns x + 8·j as a
// matrix of 4 × 4. Channels are read as vec4s; heads are a multiple of 4 channels wide. A workgroup writes 64
// channels, those of a pair of slabs; workgroups along z share a wider head, and each computes its scores. Included by the
// kernels of nn/attention.

const TILE = 32u;
const THREADS = 64u;
// Channels of a slab in vec4s, and the distance of its rows: one more, so that invocations read different banks.
const SLAB4 = 8u;
const SLAB_ROW = SLAB4 + 1u;
// Channels that a workgroup writes, in vec4s: those of a `Pair`.
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

// A vec4 of a token of one head; rows and channels beyond the last repeat it.
fn readQ(matrix: u32, row: u32, channel: u32) -> vec4f {
  let token = matrix / attention.heads * attention.queries + min(row, attention.queries - 1u);
  return q[token * attention.qStride + attention.qOffset + matrix % attention.heads * attention.head4 + min(channel, attention.head4 - 1u)];
}

fn readK(matrix: u32, row: u32, channel: u32) -> vec4f {
  let token = matrix / attention.heads * attention.keys + min(row, attention.keys - 1u);
  return k[token * attention.kStride + attention.kOffset + matrix % attention.heads * attention.head4 + min(channel, attention.head4 - 1u)];
}

fn readV(matrix: u32, row: u32, channel: u32) -> vec4f {
  let token = matrix / attention.heads * attention.keys + min(row, attention.keys - 1u);
  return v[token * attention.vStride + attention.vOffset + matrix % attention.heads * attention.head4 + min(channel, attention.head4 - 1u)];
}

fn addOuter(sums: mat4x4f, rows: vec4f, columns: vec4f) -> mat4x4f {
  return mat4x4f(
    fma(vec4f(rows.x), columns, sums[0]),
    fma(vec4f(rows.y), columns, sums[1]),
    fma(vec4f(rows.z), columns, sums[2]),
    fma(vec4f(rows.w), columns, sums[3]),
  );
}

fn scaleRows(cell: mat4x4f, factors: vec4f) -> mat4x4f {
  return mat4x4f(cell[0] * factors.x, cell[1] * factors.y, cell[2] * factors.z, cell[3] * factors.w);
}

// Four rows of a slab of channels, as columns of channels.
fn slabRows(first: u32, c: u32) -> mat4x4f {
  let at = first * SLAB_ROW + c;
  let step = 8u * SLAB_ROW;
  return transpose(mat4x4f(slab[at], slab[at + step], slab[at + 2u * step], slab[at + 3u * step]));
}

// Adds the product over the channels of the slab: rows are the first TILE rows of the slab, columns the others.
fn addSlabProduct(sums: mat4x4f, x: u32, y: u32) -> mat4x4f {
  var result = sums;
  for (var c = 0u; c < bound(SLAB4); c++) {
    let rows = slabRows(y, c);
    let columns = slabRows(TILE + x, c);
    result = addOuter(result, rows[0], columns[0]);
    result = addOuter(result, rows[1], columns[1]);
    result = addOuter(result, rows[2], columns[2]);
    result = addOuter(result, rows[3], columns[3]);
  }
  return result;
}

fn storeWeights(cell: mat4x4f, x: u32, y: u32) {
  let columns = transpose(cell);
  let at = x * SLAB_ROW + y;
  let step = 8u * SLAB_ROW;
  weights[at] = columns[0];
  weights[at + step] = columns[1];
  weights[at + 2u * step] = columns[2];
  weights[at + 3u * step] = columns[3];
}

// Sums of an invocation: its rows, for channels 4·x … + 3 of a slab and those 32 channels behind.
struct Pair {
  near: mat4x4f,
  far: mat4x4f,
}

// Adds weights · slab.
fn addWeighted(sums: Pair, x: u32, y: u32) -> Pair {
  var near = sums.near;
  var far = sums.far;
  for (var row = 0u; row < bound(TILE); row++) {
    let rows = weights[row * SLAB_ROW + y];
    near = addOuter(near, rows, slab[row * PAIR4 + x]);
    far = addOuter(far, rows, slab[row * PAIR4 + SLAB4 + x]);
  }
  return Pair(near, far);
}

fn scalePair(sums: Pair, factors: vec4f) -> Pair {
  return Pair(scaleRows(sums.near, factors), scaleRows(sums.far, factors));
}
