// The gradients of nn/attention for GPUs; probabilities are computed again from the logarithms of their sums. With P the probabilities,
// dP = dY·Vᵀ and dS = P∘(dP − rowsum(dY∘Y)): dQ = α·dS·K, dK = α·dSᵀ·Q, dV = Pᵀ·dY (Dao et al. 2022, FlashAttention, algorithm 4).
// A workgroup has a tile of queries, for which it loops over the keys and sums dQ, or a tile of keys, for which it loops over the
// queries and sums dK and dV. So each sum has one owner and a fixed order.

#include <attention-tile>

@group(0) @binding(4) var<storage, read> y: array<vec4f>;
@group(0) @binding(5) var<storage, read> gradY: array<vec4f>;
@group(0) @binding(6) var<storage, read> logSums: array<f32>;
// gradK is the gradient of the tensor of k and v, and of q if it is the same tensor.
@group(0) @binding(7) var<storage, read_write> gradQ: array<vec4f>;
@group(0) @binding(8) var<storage, read_write> gradK: array<vec4f>;

// Of the queries of the tile: the logarithm of the sum, and rowsum(dY∘Y).
var<workgroup> statistics: array<vec2f, TILE>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let x = thread % 8u;
  let row = thread / 8u;
  let matrix = group.y;
  // Own rows are those of the tile, other rows those of the loop.
  let ownsQueries = group.x < attention.queryTiles;
  let own0 = TILE * select(group.x - attention.queryTiles, group.x, ownsQueries);
  var begin = 0u;
  var end = select(attention.queries, attention.keys, ownsQueries);
  if (attention.isCausal == 1u) {
    begin = select(own0, 0u, ownsQueries);
    end = select(end, min(end, own0 + TILE), ownsQueries);
  }
  let channel0 = PAIR4 * group.z;
  // dQ or dK, and dV.
  var sums = Pair();
  var valueSums = Pair();
  for (var other0 = begin; other0 < end; other0 += TILE) {
    if (!ownsQueries || other0 == begin) {
      computeStatistics(matrix, select(other0, own0, ownsQueries), thread);
    }
    // Of Q·Kᵀ, and of dP = dY·Vᵀ.
    var scores = mat4x4f();
    var gradP = mat4x4f();
    for (var phase = 0u; phase < bound(2u); phase++) {
      for (var c0 = 0u; c0 < attention.head4; c0 += SLAB4) {
        let exists = f32(c0 + x < attention.head4);
        workgroupBarrier();
        for (var i = 0u; i < bound(8u); i++) {
          let isOwn = i < 4u;
          let at = row + 8u * (i % 4u);
          let value = readFactor(phase, isOwn == ownsQueries, matrix, select(other0, own0, isOwn) + at, c0 + x);
          slab[(select(TILE, 0u, isOwn) + at) * SLAB_ROW + x] = exists * value;
        }
        workgroupBarrier();
        if (phase == 0u) {
          scores = addSlabProduct(scores, x, row);
        } else {
          gradP = addSlabProduct(gradP, x, row);
        }
      }
    }
    let others = other0 + x + EIGHTS;
    let p = mat4x4f(
      probabilities(scores[0], ownsQueries, own0 + row, others, row, x),
      probabilities(scores[1], ownsQueries, own0 + row + 8u, others, row + 8u, x),
      probabilities(scores[2], ownsQueries, own0 + row + 16u, others, row + 16u, x),
      probabilities(scores[3], ownsQueries, own0 + row + 24u, others, row + 24u, x),
    );
    // The gradient of the scores multiplies K or Q, the probabilities multiply dY.
    storeWeights(
      mat4x4f(
        p[0] * (gradP[0] - statisticsOf(ownsQueries, row, x).dots),
        p[1] * (gradP[1] - statisticsOf(ownsQueries, row + 8u, x).dots),
        p[2] * (gradP[2] - statisticsOf(ownsQueries, row + 16u, x).dots),
        p[3] * (gradP[3] - statisticsOf(ownsQueries, row + 24u, x).dots),
      ),
      x,
      row,
    );
    for (var phase = 0u; phase < select(2u, 1u, ownsQueries); phase++) {
      if (phase == 1u) {
        workgroupBarrier();
        storeWeights(p, x, row);
      }
      workgroupBarrier();
      for (var i = 0u; i < bound(8u); i++) {
        let at = row + 8u * (i % 4u);
        let column = SLAB4 * (i / 4u) + x;
        slab[at * PAIR4 + column] = readFactor(phase, !ownsQueries, matrix, other0 + at, channel0 + column);
      }
      workgroupBarrier();
      if (phase == 0u) {
        sums = addWeighted(sums, x, row);
      } else {
        valueSums = addWeighted(valueSums, x, row);
      }
    }
    workgroupBarrier();
  }
  let own = own0 + row;
  let scaled = scalePair(sums, vec4f(attention.alpha));
  writeSums(scaled, ownsQueries, attention.kOffset, matrix, own, channel0 + x);
  if (!ownsQueries) {
    writeSums(valueSums, false, attention.vOffset, matrix, own, channel0 + x);
  }
}

// A factor of the scores, Q or K, in phase 0, and of dP, dY or V, in phase 1.
fn readFactor(phase: u32, ofQueries: bool, matrix: u32, row: u32, channel: u32) -> vec4f {
  if (phase == 0u) {
    if (ofQueries) {
      return readQ(matrix, row, channel);
    }
    return readK(matrix, row, channel);
  }
  if (!ofQueries) {
    return readV(matrix, row, channel);
  }
  let token = matrix / attention.heads * attention.queries + min(row, attention.queries - 1u);
  return gradY[(token * attention.heads + matrix % attention.heads) * attention.head4 + min(channel, attention.head4 - 1u)];
}

// Two invocations for each query. All invocations call it together.
fn computeStatistics(matrix: u32, query0: u32, thread: u32) {
  let query = min(query0 + thread / 2u, attention.queries - 1u);
  let token = matrix / attention.heads * attention.queries + query;
  let at = (token * attention.heads + matrix % attention.heads) * attention.head4;
  var sum = 0.0;
  for (var c = thread % 2u; c < attention.head4; c += 2u) {
    sum += dot(y[at + c], gradY[at + c]);
  }
  partials[thread] = vec4f(sum);
  workgroupBarrier();
  if (thread % 2u == 0u) {
    let logSum = logSums[matrix * attention.queries + query];
    statistics[thread / 2u] = vec2f(logSum, partials[thread].x + partials[thread + 1u].x);
  }
  workgroupBarrier();
}

struct Statistics {
  logSums: vec4f,
  dots: vec4f,
}

// Of the queries of an own row and four other ones.
fn statisticsOf(ownsQueries: bool, row: u32, x: u32) -> Statistics {
  if (ownsQueries) {
    return Statistics(vec4f(statistics[row].x), vec4f(statistics[row].y));
  }
  let s0 = statistics[x];
  let s1 = statistics[x + 8u];
  let s2 = statistics[x + 16u];
  let s3 = statistics[x + 24u];
  return Statistics(vec4f(s0.x, s1.x, s2.x, s3.x), vec4f(s0.y, s1.y, s2.y, s3.y));
}

// Of an own row and four other ones; 0 where they do not exist or the mask hides the key.
fn probabilities(scores: vec4f, ownsQueries: bool, own: u32, others: vec4u, row: u32, x: u32) -> vec4f {
  let powers = exp(attention.alpha * scores - statisticsOf(ownsQueries, row, x).logSums);
  let queries = select(others, vec4u(own), ownsQueries);
  let keys = select(vec4u(own), others, ownsQueries);
  var seen = (queries < vec4u(attention.queries)) & (keys < vec4u(attention.keys));
  if (attention.isCausal == 1u) {
    seen &= keys <= queries;
  }
  return select(vec4f(), powers, seen);
}

// Writes or adds rows of dQ, or of dK or dV by `offset`.
fn writeSums(sums: Pair, ofQueries: bool, offset: u32, matrix: u32, own: u32, channel: u32) {
  let tokens = select(attention.keys, attention.queries, ofQueries);
  let start = select(offset, attention.qOffset, ofQueries) + matrix % attention.heads * attention.head4 + channel;
  let stride = select(attention.kStride, attention.qStride, ofQueries);
  for (var i = 0u; i < bound(8u); i++) {
    let row = own + 8u * (i / 2u);
    let isFar = i % 2u == 1u;
    let shift = select(0u, SLAB4, isFar);
    if (row < tokens && channel + shift < attention.head4) {
      let value = select(sums.near[i / 2u], sums.far[i / 2u], isFar);
      let at = (matrix / attention.heads * tokens + row) * stride + start + shift;
      if (attention.isPacked == 1u || !ofQueries) {
        if (attention.kvAccumulates == 1u) {
          gradK[at] += value;
        } else {
          gradK[at] = value;
        }
      } else if (attention.qAccumulates == 1u) {
        gradQ[at] += value;
      } else {
        gradQ[at] = value;
      }
    }
  }
}
