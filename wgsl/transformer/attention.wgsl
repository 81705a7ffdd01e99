// Multi-head attention softmax(Q·Kᵀ/√d)·V on tensor cores (Vaswani et al. 2017), with the logits recomputed instead of stored (Dao et al.
// 2022): a subgroup takes 16 queries of a (image, head), first finds each query's maximum and sum over all keys, then sums weights times
// values. Output tiled [images·queries, heads·HEAD_TILES·16]; keeps the logarithm of each query's sum for backward.

#include <attention-heads>

@group(0) @binding(0) var<uniform> attention: Attention;
@group(0) @binding(1) var<storage, read> queries: array<f16>;
@group(0) @binding(2) var<storage, read> heads: array<f16>;
@group(0) @binding(3) var<storage, read_write> output: array<f16>;
@group(0) @binding(4) var<storage, read_write> logSums: array<f32>;

var<workgroup> logits: array<f32, SUBGROUPS * CHUNK * 256u>;
var<workgroup> weights: array<f16, SUBGROUPS * CHUNK * 256u>;
// By place: the largest logit and the sum of exponentials.
var<workgroup> statistics: array<f32, SUBGROUPS * 512u>;
var<workgroup> rowLogSums: array<f32, SUBGROUPS * 16u>;

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(subgroup_id) subgroup: u32,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let head = group.y;
  let image = group.z;
  let queryTile = group.x * SUBGROUPS + subgroup;
  let exists = queryTile < attention.queryTiles;
  let tokenTiles = attention.tokenTiles;
  let start = startOf(image, head);
  let queryAt = queryStartOf(image, head, min(queryTile, attention.queryTiles - 1u));
  let keysTransposed = 2u * attention.sectionSize + start;
  let values = 3u * attention.sectionSize + start;
  let chunks = (tokenTiles + CHUNK - 1u) / CHUNK;
  let own = subgroup * CHUNK * 256u;

  var largest: array<f32, PLACES>;
  var total: array<f32, PLACES>;
  for (var p = 0u; p < PLACES; p++) {
    largest[p] = -1e30;
    total[p] = 0.0;
  }
  var o0 = Sum();
  var o1 = Sum();
  var o2 = Sum();
  var o3 = Sum();
  var o4 = Sum();
  var o5 = Sum();
  var o6 = Sum();
  var o7 = Sum();
  // The first pass finds each query's logSum, the second sums weights times values. One copy of the code that computes logits: a function
  // called in both would move the sums out of the registers.
  for (var step = 0u; step < 2u * chunks; step++) {
    let isSecond = step >= chunks;
    let chunk = step % chunks;
    // The only chunk's logits are still there in the second pass.
    if (!isSecond || chunks > 1u) {
      let last = tokenTiles - 1u;
      let first = chunk * CHUNK;
      let k0 = keysTransposed + min(first, last) * 256u;
      let k1 = keysTransposed + min(first + 1u, last) * 256u;
      var s0 = Sum();
      var s1 = Sum();
      for (var d = 0u; d < HEAD_TILES; d++) {
        let row = d * tokenTiles * 256u;
        let left = subgroupMatrixLoad<Left, row_major>(&queries, queryAt + d * 256u, 16u);
        s0 = subgroupMatrixMultiplyAccumulate(left, subgroupMatrixLoad<Right, row_major>(&heads, k0 + row, 16u), s0);
        s1 = subgroupMatrixMultiplyAccumulate(left, subgroupMatrixLoad<Right, row_major>(&heads, k1 + row, 16u), s1);
      }
      subgroupMatrixStore<row_major>(&logits, own, s0, 16u);
      subgroupMatrixStore<row_major>(&logits, own + 256u, s1, 16u);
      workgroupBarrier();
    }
    if (!isSecond) {
      for (var t = 0u; t < CHUNK; t++) {
        for (var p = 0u; p < PLACES; p++) {
          let place = p * SUBGROUP + lane;
          if ((chunk * CHUNK + t) * 16u + place % 16u < attention.tokens) {
            let logit = attention.logitScale * logits[own + t * 256u + place];
            let next = max(largest[p], logit);
            total[p] = total[p] * exp(largest[p] - next) + exp(logit - next);
            largest[p] = next;
          }
        }
      }
      if (step + 1u == chunks) {
      for (var p = 0u; p < PLACES; p++) {
        statistics[subgroup * 512u + p * SUBGROUP + lane] = largest[p];
        statistics[subgroup * 512u + 256u + p * SUBGROUP + lane] = total[p];
      }
      workgroupBarrier();
      for (var row = lane; row < 16u; row += SUBGROUP) {
        let first = subgroup * 512u + row * 16u;
        var rowLargest = statistics[first];
        for (var i = 1u; i < 16u; i++) {
          rowLargest = max(rowLargest, statistics[first + i]);
        }
        var rowTotal = 0.0;
        for (var i = 0u; i < 16u; i++) {
          rowTotal += statistics[first + 256u + i] * exp(statistics[first + i] - rowLargest);
        }
        let logSum = rowLargest + log(rowTotal);
        rowLogSums[subgroup * 16u + row] = logSum;
        let query = queryTile * 16u + row;
        if (exists && query < attention.queries) {
          logSums[(image * attention.heads + head) * attention.queries + query] = logSum;
        }
      }
      workgroupBarrier();
      }
      workgroupBarrier();
    } else {
      for (var t = 0u; t < CHUNK; t++) {
        for (var p = 0u; p < PLACES; p++) {
          let place = p * SUBGROUP + lane;
          let i = own + t * 256u + place;
          let isKey = (chunk * CHUNK + t) * 16u + place % 16u < attention.tokens;
          weights[i] = f16(select(0.0, exp(attention.logitScale * logits[i] - rowLogSums[subgroup * 16u + place / 16u]), isKey));
        }
      }
      workgroupBarrier();
      let tiles = min(CHUNK, tokenTiles - chunk * CHUNK);
      for (var t = 0u; t < tiles; t++) {
        let left = subgroupMatrixLoad<Left, row_major>(&weights, own + t * 256u, 16u);
        let row = values + (chunk * CHUNK + t) * HEAD_TILES * 256u;
        o0 = subgroupMatrixMultiplyAccumulate(left, subgroupMatrixLoad<Right, row_major>(&heads, row, 16u), o0);
        if (HEAD_TILES > 1u) {
          o1 = subgroupMatrixMultiplyAccumulate(left, subgroupMatrixLoad<Right, row_major>(&heads, row + 256u, 16u), o1);
        }
        if (HEAD_TILES > 2u) {
          o2 = subgroupMatrixMultiplyAccumulate(left, subgroupMatrixLoad<Right, row_major>(&heads, row + 512u, 16u), o2);
        }
        if (HEAD_TILES > 3u) {
          o3 = subgroupMatrixMultiplyAccumulate(left, subgroupMatrixLoad<Right, row_major>(&heads, row + 768u, 16u), o3);
        }
        if (HEAD_TILES > 4u) {
          o4 = subgroupMatrixMultiplyAccumulate(left, subgroupMatrixLoad<Right, row_major>(&heads, row + 1024u, 16u), o4);
        }
        if (HEAD_TILES > 5u) {
          o5 = subgroupMatrixMultiplyAccumulate(left, subgroupMatrixLoad<Right, row_major>(&heads, row + 1280u, 16u), o5);
        }
        if (HEAD_TILES > 6u) {
          o6 = subgroupMatrixMultiplyAccumulate(left, subgroupMatrixLoad<Right, row_major>(&heads, row + 1536u, 16u), o6);
        }
        if (HEAD_TILES > 7u) {
          o7 = subgroupMatrixMultiplyAccumulate(left, subgroupMatrixLoad<Right, row_major>(&heads, row + 1792u, 16u), o7);
        }
      }
      workgroupBarrier();
    }
  }
  // CHUNK tiles of the output at a time pass through the space of the logits.
  subgroupMatrixStore<row_major>(&logits, own, o0, 16u);
  if (HEAD_TILES > 1u) {
    subgroupMatrixStore<row_major>(&logits, own + 256u, o1, 16u);
  }
  workgroupBarrier();
  storeOutput(exists, image, head, queryTile, 0u, own, lane);
  workgroupBarrier();
  if (HEAD_TILES > 2u) {
    subgroupMatrixStore<row_major>(&logits, own, o2, 16u);
    if (HEAD_TILES > 3u) {
      subgroupMatrixStore<row_major>(&logits, own + 256u, o3, 16u);
    }
    workgroupBarrier();
    storeOutput(exists, image, head, queryTile, 2u, own, lane);
    workgroupBarrier();
  }
  if (HEAD_TILES > 4u) {
    subgroupMatrixStore<row_major>(&logits, own, o4, 16u);
    if (HEAD_TILES > 5u) {
      subgroupMatrixStore<row_major>(&logits, own + 256u, o5, 16u);
    }
    workgroupBarrier();
    storeOutput(exists, image, head, queryTile, 4u, own, lane);
    workgroupBarrier();
  }
  if (HEAD_TILES > 6u) {
    subgroupMatrixStore<row_major>(&logits, own, o6, 16u);
    if (HEAD_TILES > 7u) {
      subgroupMatrixStore<row_major>(&logits, own + 256u, o7, 16u);
    }
    workgroupBarrier();
    storeOutput(exists, image, head, queryTile, 6u, own, lane);
    workgroupBarrier();
  }
}

fn storeOutput(exists: bool, image: u32, head: u32, queryTile: u32, firstTile: u32, own: u32, lane: u32) {
  let tiles = min(CHUNK, HEAD_TILES - firstTile);
  for (var i = lane; i < tiles * 256u; i += SUBGROUP) {
    let query = queryTile * 16u + i % 256u / 16u;
    let column = (head * HEAD_TILES + firstTile + i / 256u) * 16u + i % 16u;
    if (exists && query < attention.queries) {
      output[tiled(image * attention.queries + query, column, attention.heads * HEAD_TILES)] = f16(logits[own + i]);
    }
  }
}
