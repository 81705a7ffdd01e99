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
  let channel0 = PAIR4 * group.z;
  var sums = Pair();
  var largest = vec4f(LOWEST);
  // Of this invocation's columns alone, until the end.
  var total = vec4f();
  let end = select(attention.keys, min(attention.keys, query0 + TILE), attention.isCausal == 1u);
  for (var key0 = 0u; key0 < end; key0 += TILE) {
    var scores = mat4x4f();
    for (var c0 = 0u; c0 < attention.head4; c0 += SLAB4) {
      let exists = f32(c0 + x < attention.head4);
      workgroupBarrier();
      for (var i = 0u; i < bound(4u); i++) {
        let at = row + 8u * i;
        slab[at * SLAB_ROW + x] = exists * readQ(matrix, query0 + at, c0 + x);
        slab[(TILE + at) * SLAB_ROW + x] = exists * readK(matrix, key0 + at, c0 + x);
      }
      workgroupBarrier();
      scores = addSlabProduct(scores, x, row);
    }
    let columns = key0 + x + EIGHTS;
    let queries = query0 + row + EIGHTS;
    scores[0] = select(vec4f(LOWEST), attention.alpha * scores[0], isSeen(queries.x, columns));
    scores[1] = select(vec4f(LOWEST), attention.alpha * scores[1], isSeen(queries.y, columns));
    scores[2] = select(vec4f(LOWEST), attention.alpha * scores[2], isSeen(queries.z, columns));
    scores[3] = select(vec4f(LOWEST), attention.alpha * scores[3], isSeen(queries.w, columns));
    partials[thread] = vec4f(maxOf(scores[0]), maxOf(scores[1]), maxOf(scores[2]), maxOf(scores[3]));
    workgroupBarrier();
    let before = largest;
    for (var i = 0u; i < 8u; i++) {
      largest = max(largest, partials[8u * row + i]);
    }
    // Key 0 is seen by every query, so the maximum is that of a score, and exp of the others is 0.
    let powers = mat4x4f(
      exp(scores[0] - largest.x),
      exp(scores[1] - largest.y),
      exp(scores[2] - largest.z),
      exp(scores[3] - largest.w),
    );
    let ones = vec4f(1.0);
    let shrink = exp(before - largest);
    total = total * shrink + vec4f(dot(powers[0], ones), dot(powers[1], ones), dot(powers[2], ones), dot(powers[3], ones));
    storeWeights(powers, x, row);
    workgroupBarrier();
    for (var i = 0u; i < bound(4u); i++) {
      let at = (row + 8u * i) * PAIR4 + x;
      let key = key0 + row + 8u * i;
      slab[at] = readV(matrix, key, channel0 + x);
      slab[at + SLAB4] = readV(matrix, key, channel0 + SLAB4 + x);
    }
    workgroupBarrier();
    sums = addWeighted(scalePair(sums, shrink), x, row);
  }
  workgroupBarrier();
  partials[thread] = total;
  workgroupBarrier();
  var all = vec4f();
  for (var i = 0u; i < 8u; i++) {
    all += partials[8u * row + i];
  }
  let query = query0 + row;
  writePair(scalePair(sums, 1.0 / all), matrix, query, channel0 + x);
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

fn writePair(sums: Pair, matrix: u32, query: u32, channel: u32) {
  let width = attention.heads * attention.head4;
  for (var i = 0u; i < bound(4u); i++) {
    let row = query + 8u * i;
    let at = (matrix / attention.heads * attention.queries + row) * width + matrix % attention.heads * attention.head4 + channel;
    if (row < attention.queries && channel < attention.head4) {
      y[at] = sums.near[i];
    }
    if (row < attention.queries && channel + SLAB4 < attention.head4) {
      y[at + SLAB4] = sums.far[i];
    }
  }
}
