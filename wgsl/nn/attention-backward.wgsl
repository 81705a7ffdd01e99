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
  let yStride = attention.heads * attention.head4;
  let yFirst = matrix / attention.heads * attention.queries * yStride + matrix % attention.heads * attention.head4;
  let starts = vec4u(qStart(matrix), kStart(matrix), vStart(matrix), yFirst);
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
  // dQ or dK, of near and far channels, and dV. No function has a part in the loops of multiply-adds: a GPU's compiler may call it.
  var n0 = vec4f();
  var n1 = vec4f();
  var n2 = vec4f();
  var n3 = vec4f();
  var f0 = vec4f();
  var f1 = vec4f();
  var f2 = vec4f();
  var f3 = vec4f();
  var v0 = vec4f();
  var v1 = vec4f();
  var v2 = vec4f();
  var v3 = vec4f();
  var w0 = vec4f();
  var w1 = vec4f();
  var w2 = vec4f();
  var w3 = vec4f();
  for (var other0 = begin; other0 < end; other0 += TILE) {
    if (!ownsQueries || other0 == begin) {
      computeStatistics(matrix, select(other0, own0, ownsQueries), thread);
    }
    // Of Q·Kᵀ, and of dP = dY·Vᵀ.
    var s0 = vec4f();
    var s1 = vec4f();
    var s2 = vec4f();
    var s3 = vec4f();
    var g0 = vec4f();
    var g1 = vec4f();
    var g2 = vec4f();
    var g3 = vec4f();
    for (var phase = 0u; phase < bound(2u); phase++) {
      for (var c0 = 0u; c0 < attention.head4; c0 += SLAB4) {
        let exists = f32(c0 + x < attention.head4);
        workgroupBarrier();
        for (var i = 0u; i < bound(8u); i++) {
          let isOwn = i < 4u;
          let at = row + 8u * (i % 4u);
          let value = readFactor(phase, isOwn == ownsQueries, starts, select(other0, own0, isOwn) + at, c0 + x);
          slab[(select(TILE, 0u, isOwn) + at) * SLAB_ROW + x] = exists * value;
        }
        workgroupBarrier();
        if (phase == 0u) {
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
        } else {
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
            g0 = fma(vec4f(a0.x), bx, g0);
            g1 = fma(vec4f(a1.x), bx, g1);
            g2 = fma(vec4f(a2.x), bx, g2);
            g3 = fma(vec4f(a3.x), bx, g3);
            g0 = fma(vec4f(a0.y), by, g0);
            g1 = fma(vec4f(a1.y), by, g1);
            g2 = fma(vec4f(a2.y), by, g2);
            g3 = fma(vec4f(a3.y), by, g3);
            g0 = fma(vec4f(a0.z), bz, g0);
            g1 = fma(vec4f(a1.z), bz, g1);
            g2 = fma(vec4f(a2.z), bz, g2);
            g3 = fma(vec4f(a3.z), bz, g3);
            g0 = fma(vec4f(a0.w), bw, g0);
            g1 = fma(vec4f(a1.w), bw, g1);
            g2 = fma(vec4f(a2.w), bw, g2);
            g3 = fma(vec4f(a3.w), bw, g3);
          }
        }
      }
    }
    let others = other0 + x + EIGHTS;
    let p0 = probabilities(s0, ownsQueries, own0 + row, others, row, x);
    let p1 = probabilities(s1, ownsQueries, own0 + row + 8u, others, row + 8u, x);
    let p2 = probabilities(s2, ownsQueries, own0 + row + 16u, others, row + 16u, x);
    let p3 = probabilities(s3, ownsQueries, own0 + row + 24u, others, row + 24u, x);
    // The gradient of the scores multiplies K or Q, the probabilities multiply dY.
    storeWeights(
      p0 * (g0 - statisticsOf(ownsQueries, row, x).dots),
      p1 * (g1 - statisticsOf(ownsQueries, row + 8u, x).dots),
      p2 * (g2 - statisticsOf(ownsQueries, row + 16u, x).dots),
      p3 * (g3 - statisticsOf(ownsQueries, row + 24u, x).dots),
      x,
      row,
    );
    for (var phase = 0u; phase < select(2u, 1u, ownsQueries); phase++) {
      if (phase == 1u) {
        workgroupBarrier();
        storeWeights(p0, p1, p2, p3, x, row);
      }
      workgroupBarrier();
      for (var i = 0u; i < bound(8u); i++) {
        let at = row + 8u * (i % 4u);
        let column = SLAB4 * (i / 4u) + x;
        slab[at * PAIR4 + column] = readFactor(phase, !ownsQueries, starts, other0 + at, channel0 + column);
      }
      workgroupBarrier();
      if (phase == 0u) {
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
      } else {
        for (var column = 0u; column < bound(TILE); column++) {
          let factors = weights[column * SLAB_ROW + row];
          let near = slab[column * PAIR4 + x];
          let far = slab[column * PAIR4 + SLAB4 + x];
          v0 = fma(vec4f(factors.x), near, v0);
          v1 = fma(vec4f(factors.y), near, v1);
          v2 = fma(vec4f(factors.z), near, v2);
          v3 = fma(vec4f(factors.w), near, v3);
          w0 = fma(vec4f(factors.x), far, w0);
          w1 = fma(vec4f(factors.y), far, w1);
          w2 = fma(vec4f(factors.z), far, w2);
          w3 = fma(vec4f(factors.w), far, w3);
        }
      }
    }
    workgroupBarrier();
  }
  let own = own0 + row;
  writeRow(n0 * attention.alpha, f0 * attention.alpha, ownsQueries, attention.kOffset, matrix, own + 0u, channel0 + x);
  writeRow(n1 * attention.alpha, f1 * attention.alpha, ownsQueries, attention.kOffset, matrix, own + 8u, channel0 + x);
  writeRow(n2 * attention.alpha, f2 * attention.alpha, ownsQueries, attention.kOffset, matrix, own + 16u, channel0 + x);
  writeRow(n3 * attention.alpha, f3 * attention.alpha, ownsQueries, attention.kOffset, matrix, own + 24u, channel0 + x);
  if (!ownsQueries) {
    writeRow(v0, w0, false, attention.vOffset, matrix, own + 0u, channel0 + x);
    writeRow(v1, w1, false, attention.vOffset, matrix, own + 8u, channel0 + x);
    writeRow(v2, w2, false, attention.vOffset, matrix, own + 16u, channel0 + x);
    writeRow(v3, w3, false, attention.vOffset, matrix, own + 24u, channel0 + x);
  }
}

// A factor of the scores, Q or K, in phase 0, and of dP, dY or V, in phase 1.
fn readFactor(phase: u32, ofQueries: bool, starts: vec4u, row: u32, channel: u32) -> vec4f {
  if (phase == 0u) {
    if (ofQueries) {
      return readQ(starts.x, row, channel);
    }
    return readK(starts.y, row, channel);
  }
  if (!ofQueries) {
    return readV(starts.z, row, channel);
  }
  let stride = attention.heads * attention.head4;
  return gradY[starts.w + min(row, attention.queries - 1u) * stride + min(channel, attention.head4 - 1u)];
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

// Writes or adds a row of dQ, or of dK or dV by `offset`: near and far channels.
fn writeRow(near: vec4f, far: vec4f, ofQueries: bool, offset: u32, matrix: u32, row: u32, channel: u32) {
  let tokens = select(attention.keys, attention.queries, ofQueries);
  let start = select(offset, attention.qOffset, ofQueries) + matrix % attention.heads * attention.head4 + channel;
  let stride = select(attention.kStride, attention.qStride, ofQueries);
  if (row >= tokens) {
    return;
  }
  let at = (matrix / attention.heads * tokens + row) * stride + start;
  for (var i = 0u; i < bound(2u); i++) {
    if (channel + i * SLAB4 < attention.head4) {
      let value = select(near, far, i == 1u);
      let place = at + i * SLAB4;
      if (attention.isPacked == 1u || !ofQueries) {
        if (attention.kvAccumulates == 1u) {
          gradK[place] += value;
        } else {
          gradK[place] = value;
        }
      } else if (attention.qAccumulates == 1u) {
        gradQ[place] += value;
      } else {
        gradQ[place] = value;
      }
    }
  }
}
