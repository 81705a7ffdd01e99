// Multi-head attention softmax(Q·Kᵀ/√d)·V on tensor cores (Vaswani et al. 2017), with the logits recomputed instead of stored (Dao et al.
// 2022). A subgroup takes 16 queries of a (image, head), first finds each query's largest logit over all keys, then sums weights times
// values. Output tiled [images·queries, heads·HEAD_TILES·16]; keeps the logarithm of each query's sum for backward.

#include <attention-heads>

@group(0) @binding(0) var<uniform> attention: Attention;
@group(0) @binding(1) var<storage, read> queries: array<f16>;
@group(0) @binding(2) var<storage, read> heads: array<f16>;
@group(0) @binding(3) var<storage, read_write> output: array<vec4<f16>>;
@group(0) @binding(4) var<storage, read_write> logSums: array<f32>;

// Places of a tile that an invocation takes: place·SUBGROUP + lane. A row of 16 is ROW_PLACES of them in ROW_LANES lanes.
const PLACES = 256u / SUBGROUP;
const ROW_LANES = min(16u, u32(SUBGROUP));
const ROW_PLACES = 16u / ROW_LANES;

var<workgroup> logits: array<f32, CHUNK_SIZE>;
var<workgroup> weights: array<f16, CHUNK_SIZE>;
// By query.
var<workgroup> factors: array<f32, 16>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let queryTile = group.x;
  let head = group.y;
  let image = attention.firstImage + group.z;
  let tokenTiles = attention.tokenTiles;
  let start = startOf(image, head);
  let queryAt = queryStartOf(image, head, queryTile);
  let keys = attention.sectionSize + start;
  let values = 2u * attention.sectionSize + start;
  let last = tokenTiles - 1u;
  let chunks = (tokenTiles + CHUNK - 1u) / CHUNK;

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
  // The first pass over the keys finds the maxima; the second computes the logits again, and the weights. A single chunk takes one pass. One
  // copy of the code that computes logits: a function called in both passes would move the sums out of the registers.
  let steps = select(2u * chunks, 1u, chunks == 1u);
  for (var step = 0u; step < steps; step++) {
    let first = step % chunks * CHUNK;
    let k0 = keys + min(first, last) * HEAD_TILES * 256u;
    let k1 = keys + min(first + 1u, last) * HEAD_TILES * 256u;
    var s0 = Sum();
    var s1 = Sum();
    for (var d = 0u; d < HEAD_TILES; d++) {
      let left = subgroupMatrixLoad<Left, row_major>(&queries, queryAt + d * 256u, 16u);
      s0 = subgroupMatrixMultiplyAccumulate(left, subgroupMatrixLoad<Right, col_major>(&heads, k0 + d * 256u, 16u), s0);
      s1 = subgroupMatrixMultiplyAccumulate(left, subgroupMatrixLoad<Right, col_major>(&heads, k1 + d * 256u, 16u), s1);
    }
    subgroupMatrixStore<row_major>(&logits, 0u, s0, 16u);
    subgroupMatrixStore<row_major>(&logits, 256u, s1, 16u);
    workgroupBarrier();
    if (step < chunks) {
      for (var t = 0u; t < CHUNK; t++) {
        for (var p = 0u; p < PLACES; p++) {
          let place = p * SUBGROUP + lane;
          let isKey = (first + t) * 16u + place % 16u < attention.tokens;
          largest[p] = max(largest[p], select(-1e30, attention.logitScale * logits[t * 256u + place], isKey));
        }
      }
    }
    if (step + 1u == chunks) {
      for (var p = 0u; p < PLACES; p += ROW_PLACES) {
        var rowLargest = largest[p];
        for (var i = 1u; i < ROW_PLACES; i++) {
          rowLargest = max(rowLargest, largest[p + i]);
        }
        for (var mask = 1u; mask < ROW_LANES; mask *= 2u) {
          rowLargest = max(rowLargest, subgroupShuffleXor(rowLargest, mask));
        }
        for (var i = 0u; i < ROW_PLACES; i++) {
          largest[p + i] = rowLargest;
        }
      }
    }
    if (chunks == 1u || step >= chunks) {
      for (var t = 0u; t < CHUNK; t++) {
        for (var p = 0u; p < PLACES; p++) {
          let place = p * SUBGROUP + lane;
          let isKey = (first + t) * 16u + place % 16u < attention.tokens;
          let weight = select(0.0, exp(attention.logitScale * logits[t * 256u + place] - largest[p]), isKey);
          weights[t * 256u + place] = f16(weight);
          total[p] += weight;
        }
      }
      workgroupBarrier();
      let tiles = min(CHUNK, tokenTiles - first);
      for (var t = 0u; t < tiles; t++) {
        let left = subgroupMatrixLoad<Left, row_major>(&weights, t * 256u, 16u);
        let row = values + (first + t) * HEAD_TILES * 256u;
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
    }
    workgroupBarrier();
  }
  for (var p = 0u; p < PLACES; p += ROW_PLACES) {
    var rowTotal = total[p];
    for (var i = 1u; i < ROW_PLACES; i++) {
      rowTotal += total[p + i];
    }
    for (var mask = 1u; mask < ROW_LANES; mask *= 2u) {
      rowTotal += subgroupShuffleXor(rowTotal, mask);
    }
    if (lane % ROW_LANES == 0u) {
      let row = (p * SUBGROUP + lane) / 16u;
      factors[row] = 1.0 / rowTotal;
      let query = queryTile * 16u + row;
      if (query < attention.queries) {
        logSums[(image * attention.heads + head) * attention.queries + query] = largest[p] + log(rowTotal);
      }
    }
  }
  // CHUNK tiles of the output at a time pass through the space of the logits. One copy of the code that stores them.
  for (var tile = 0u; tile < HEAD_TILES; tile += CHUNK) {
    if (tile == 0u) {
      subgroupMatrixStore<row_major>(&logits, 0u, o0, 16u);
      if (HEAD_TILES > 1u) {
        subgroupMatrixStore<row_major>(&logits, 256u, o1, 16u);
      }
    } else if (tile == 2u) {
      subgroupMatrixStore<row_major>(&logits, 0u, o2, 16u);
      if (HEAD_TILES > 3u) {
        subgroupMatrixStore<row_major>(&logits, 256u, o3, 16u);
      }
    } else if (tile == 4u) {
      subgroupMatrixStore<row_major>(&logits, 0u, o4, 16u);
      if (HEAD_TILES > 5u) {
        subgroupMatrixStore<row_major>(&logits, 256u, o5, 16u);
      }
    } else {
      subgroupMatrixStore<row_major>(&logits, 0u, o6, 16u);
      if (HEAD_TILES > 7u) {
        subgroupMatrixStore<row_major>(&logits, 256u, o7, 16u);
      }
    }
    workgroupBarrier();
    for (var i = lane; i < min(CHUNK, HEAD_TILES - tile) * 64u; i += SUBGROUP) {
      let row = i % 64u / 4u;
      let query = queryTile * 16u + row;
      if (query < attention.queries) {
        let sum = vec4f(logits[4u * i], logits[4u * i + 1u], logits[4u * i + 2u], logits[4u * i + 3u]);
        let column = (head * HEAD_TILES + tile + i / 64u) * 16u + i % 4u * 4u;
        let at = tiled(image * attention.queries + query, column, attention.heads * HEAD_TILES);
        output[at / 4u] = vec4<f16>(factors[row] * sum);
      }
    }
    workgroupBarrier();
  }
}
