// Y = softmax(α·Q·Kᵀ)·V of every (batch, head) for GPUs, in one pass over the keys with a running maximum (Dao et al. 2022,
// FlashAttention). A workgroup computes TILE queries of one head. Keeps the logarithm of each query's sum of exponentials
// for backward. With isCausal, query i attends to keys 0…i only.

#include <attention-tile>

@group(0) @binding(4) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> logSums: array<f32>;

const LOWEST = -3.4e38;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let x = thread % 8u;
  let row = thread / 8u;
  let query0 = group.x * TILE;
  let matrix = group.y;
  let qFirst = qStart(matrix);
  let kFirst = kStart(matrix);
  let vFirst = vStart(matrix);
  let channel0 = PAIR4 * group.z;
  // The sums of this invocation's rows, for its near and far channels. No function has a part in the loops of multiply-adds: a GPU's
  // compiler may call it.
  var n0 = vec4f();
  var n1 = vec4f();
  var n2 = vec4f();
  var n3 = vec4f();
  var f0 = vec4f();
  var f1 = vec4f();
  var f2 = vec4f();
  var f3 = vec4f();
  var largest = vec4f(LOWEST);
  // Of this invocation's columns alone, until the end.
  var total = vec4f();
  let end = select(attention.keys, min(attention.keys, query0 + TILE), attention.isCausal == 1u);
  for (var key0 = 0u; key0 < end; key0 += TILE) {
    var s0 = vec4f();
    var s1 = vec4f();
    var s2 = vec4f();
    var s3 = vec4f();
    for (var c0 = 0u; c0 < attention.head4; c0 += SLAB4) {
      let exists = f32(c0 + x < attention.head4);
      workgroupBarrier();
      for (var i = 0u; i < bound(4u); i++) {
        let at = row + 8u * i;
        slab[at * SLAB_ROW + x] = exists * readQ(qFirst, query0 + at, c0 + x);
        slab[(TILE + at) * SLAB_ROW + x] = exists * readK(kFirst, key0 + at, c0 + x);
      }
      workgroupBarrier();
      for (var c = 0u; c < bound(SLAB4); c++) {
        let a0 = slab[(row + 0u) * SLAB_ROW + c];
        let a1 = slab[(row + 8u) * SLAB_ROW + c];
        let a2 = slab[(row + 16u) * SLAB_ROW + c];
        let a3 = slab[(row + 24u) * SLAB_ROW + c];
        let b0 = slab[(TILE + x + 0u) * SLAB_ROW + c];
        let b1 = slab[(TILE + x + 8u) * SLAB_ROW + c];
        let b2 = slab[(TILE + x + 16u) * SLAB_ROW + c];
        let b3 = slab[(TILE + x + 24u) * SLAB_ROW + c];
        let bx = vec4f(b0.x, b1.x, b2.x, b3.x);
        let by = vec4f(b0.y, b1.y, b2.y, b3.y);
        let bz = vec4f(b0.z, b1.z, b2.z, b3.z);
        let bw = vec4f(b0.w, b1.w, b2.w, b3.w);
        s0 = fma(vec4f(a0.x), bx, s0);
        s1 = fma(vec4f(a1.x), bx, s1);
        s2 = fma(vec4f(a2.x), bx, s2);
        s3 = fma(vec4f(a3.x), bx, s3);
        s0 = fma(vec4f(a0.y), by, s0);
        s1 = fma(vec4f(a1.y), by, s1);
        s2 = fma(vec4f(a2.y), by, s2);
        s3 = fma(vec4f(a3.y), by, s3);
        s0 = fma(vec4f(a0.z), bz, s0);
        s1 = fma(vec4f(a1.z), bz, s1);
        s2 = fma(vec4f(a2.z), bz, s2);
        s3 = fma(vec4f(a3.z), bz, s3);
        s0 = fma(vec4f(a0.w), bw, s0);
        s1 = fma(vec4f(a1.w), bw, s1);
        s2 = fma(vec4f(a2.w), bw, s2);
        s3 = fma(vec4f(a3.w), bw, s3);
      }
    }
    let columns = key0 + x + EIGHTS;
    let queries = query0 + row + EIGHTS;
    s0 = select(vec4f(LOWEST), attention.alpha * s0, isSeen(queries.x, columns));
    s1 = select(vec4f(LOWEST), attention.alpha * s1, isSeen(queries.y, columns));
    s2 = select(vec4f(LOWEST), attention.alpha * s2, isSeen(queries.z, columns));
    s3 = select(vec4f(LOWEST), attention.alpha * s3, isSeen(queries.w, columns));
    partials[thread] = vec4f(maxOf(s0), maxOf(s1), maxOf(s2), maxOf(s3));
    workgroupBarrier();
    let before = largest;
    for (var i = 0u; i < 8u; i++) {
      largest = max(largest, partials[8u * row + i]);
    }
    // Key 0 is seen by every query, so the maximum is that of a score, and exp of the others is 0.
    s0 = exp(s0 - largest.x);
    s1 = exp(s1 - largest.y);
    s2 = exp(s2 - largest.z);
    s3 = exp(s3 - largest.w);
    storeWeights(s0, s1, s2, s3, x, row);
    let ones = vec4f(1.0);
    let shrink = exp(before - largest);
    total = total * shrink + vec4f(dot(s0, ones), dot(s1, ones), dot(s2, ones), dot(s3, ones));
    n0 *= shrink.x;
    n1 *= shrink.y;
    n2 *= shrink.z;
    n3 *= shrink.w;
    f0 *= shrink.x;
    f1 *= shrink.y;
    f2 *= shrink.z;
    f3 *= shrink.w;
    workgroupBarrier();
    for (var i = 0u; i < bound(4u); i++) {
      let at = (row + 8u * i) * PAIR4 + x;
      let key = key0 + row + 8u * i;
      slab[at] = readV(vFirst, key, channel0 + x);
      slab[at + SLAB4] = readV(vFirst, key, channel0 + SLAB4 + x);
    }
    workgroupBarrier();
    for (var column = 0u; column < bound(TILE); column++) {
      let factors = weights[column * SLAB_ROW + row];
      let near = slab[column * PAIR4 + x];
      let far = slab[column * PAIR4 + SLAB4 + x];
      n0 = fma(vec4f(factors.x), near, n0);
      n1 = fma(vec4f(factors.y), near, n1);
      n2 = fma(vec4f(factors.z), near, n2);
      n3 = fma(vec4f(factors.w), near, n3);
      f0 = fma(vec4f(factors.x), far, f0);
      f1 = fma(vec4f(factors.y), far, f1);
      f2 = fma(vec4f(factors.z), far, f2);
      f3 = fma(vec4f(factors.w), far, f3);
    }
  }
  workgroupBarrier();
  partials[thread] = total;
  workgroupBarrier();
  var all = vec4f();
  for (var i = 0u; i < 8u; i++) {
    all += partials[8u * row + i];
  }
  let query = query0 + row;
  let scale = 1.0 / all;
  let channel = channel0 + x;
  writeRow(n0 * scale.x, f0 * scale.x, matrix, query, channel);
  writeRow(n1 * scale.y, f1 * scale.y, matrix, query + 8u, channel);
  writeRow(n2 * scale.z, f2 * scale.z, matrix, query + 16u, channel);
  writeRow(n3 * scale.w, f3 * scale.w, matrix, query + 24u, channel);
  if (x < 4u && channel0 == 0u) {
    let logSum = largest + log(all);
    let logSumOfRow = select(select(logSum.x, logSum.y, x == 1u), select(logSum.z, logSum.w, x == 3u), x >= 2u);
    if (query + 8u * x < attention.queries) {
      logSums[matrix * attention.queries + query + 8u * x] = logSumOfRow;
    }
  }
}

fn maxOf(value: vec4f) -> f32 {
  return max(max(value.x, value.y), max(value.z, value.w));
}

fn isSeen(query: u32, keys: vec4u) -> vec4<bool> {
  if (attention.isCausal == 1u) {
    return keys <= vec4u(min(query, attention.keys - 1u));
  }
  return keys < vec4u(attention.keys);
}

fn writeRow(near: vec4f, far: vec4f, matrix: u32, query: u32, channel: u32) {
  let token = matrix / attention.heads * attention.queries + query;
  let at = (token * attention.heads + matrix % attention.heads) * attention.head4 + channel;
  if (query < attention.queries && channel < attention.head4) {
    y[at] = near;
  }
  if (query < attention.queries && channel + SLAB4 < attention.head4) {
    y[at + SLAB4] = far;
  }
}
