// Gradients of attention on tensor cores, without stored weights (Dao et al. 2022): the weights follow again from queries, keys and the kept
// logSums. The first workgroups take 16 queries a subgroup and sum the gradients of the queries over the keys; the others take 16 keys a
// subgroup and sum those of keys and values over the queries. gradHeads is f32 [images·tokens, parts·heads·HEAD_TILES·16], parts being
// queries (unless all images share them), keys and values; a token that is no query has a zero gradient there.
// The rows of gradOutput were divided by rowScales. Sums over queries bring them to the largest scale of the image first.

#include <attention-heads>

@group(0) @binding(0) var<uniform> attention: Attention;
@group(0) @binding(1) var<storage, read> queries: array<f16>;
@group(0) @binding(2) var<storage, read> heads: array<f16>;
// Tiled by (image, head), as queries.
@group(0) @binding(3) var<storage, read> gradOutput: array<f16>;
@group(0) @binding(4) var<storage, read> logSums: array<f32>;
// Of each query's output and its gradient, from attention-dots.
@group(0) @binding(5) var<storage, read> dots: array<f32>;
@group(0) @binding(6) var<storage, read> rowScales: array<f32>;
@group(0) @binding(7) var<storage, read_write> gradHeads: array<f32>;

struct Query {
  logSum: f32,
  dot: f32,
  // Its row scale: as it is in the first workgroups, relative to the largest in the others. 0 for a row that is no query.
  scale: f32,
}

const CHUNK_SIZE = CHUNK * 256u;
var<workgroup> logits: array<f32, SUBGROUPS * CHUNK_SIZE>;
var<workgroup> gradWeights: array<f32, SUBGROUPS * CHUNK_SIZE>;
var<workgroup> weights: array<f16, SUBGROUPS * CHUNK_SIZE>;
var<workgroup> gradLogits: array<f16, SUBGROUPS * CHUNK_SIZE>;
var<workgroup> chunkQueries: array<Query, SUBGROUPS * CHUNK * 16u>;

// Place of a subgroup's work: the same for all its invocations.
struct Place {
  image: u32,
  head: u32,
  tile: u32,
  // Whether the tile exists.
  exists: bool,
  // First element of the subgroup's part of workgroup memory; by tiles of 16 queries, divided by 16.
  own: u32,
}

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(subgroup_id) subgroup: u32,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let groups = (attention.tokenTiles + SUBGROUPS - 1u) / SUBGROUPS;
  let ofQueries = HAS_QUERY_GRADIENTS && group.x < groups;
  let first = select(group.x, group.x - groups, HAS_QUERY_GRADIENTS && !ofQueries);
  let tile = first * SUBGROUPS + subgroup;
  let place = Place(group.z, group.y, tile, tile < attention.tokenTiles, subgroup * CHUNK_SIZE);
  if (ofQueries) {
    sumOverKeys(place, lane);
  } else {
    sumOverQueries(place, lane);
  }
}

fn sumOverKeys(place: Place, lane: u32) {
  let own = place.own;
  let start = startOf(place.image, place.head);
  let queryTile = min(place.tile, attention.queryTiles - 1u);
  let isQuery = place.exists && place.tile < attention.queryTiles;
  let queryAt = queryStartOf(place.image, place.head, queryTile);
  let gradAt = gradStartOf(place, queryTile);
  loadQueries(place, lane, queryTile, 1u, select(0.0, 1.0, isQuery));
  var q0 = Sum();
  var q1 = Sum();
  var q2 = Sum();
  var q3 = Sum();
  var q4 = Sum();
  var q5 = Sum();
  var q6 = Sum();
  var q7 = Sum();
  for (var chunk = 0u; chunk < attention.tokenTiles; chunk += CHUNK) {
    logitsOfKeys(queryAt, 2u * attention.sectionSize + start, chunk, own);
    gradWeightsOfKeys(gradAt, 4u * attention.sectionSize + start, chunk, own);
    workgroupBarrier();
    for (var i = lane; i < CHUNK_SIZE; i += SUBGROUP) {
      let query = chunkQueries[own / 16u + i % 256u / 16u];
      let isPair = query.scale > 0.0 && chunk * 16u + i / 256u * 16u + i % 16u < attention.tokens;
      let weight = select(0.0, exp(attention.logitScale * logits[own + i] - query.logSum), isPair);
      gradLogits[own + i] = f16(attention.gradScale * weight * (gradWeights[own + i] - query.dot));
    }
    workgroupBarrier();
    let tiles = min(CHUNK, attention.tokenTiles - chunk);
    for (var t = 0u; t < tiles; t++) {
      let left = subgroupMatrixLoad<Left, row_major>(&gradLogits, own + t * 256u, 16u);
      let keys = attention.sectionSize + start + (chunk + t) * HEAD_TILES * 256u;
      q0 = subgroupMatrixMultiplyAccumulate(left, subgroupMatrixLoad<Right, row_major>(&heads, keys, 16u), q0);
      if (HEAD_TILES > 1u) {
        q1 = subgroupMatrixMultiplyAccumulate(left, subgroupMatrixLoad<Right, row_major>(&heads, keys + 256u, 16u), q1);
      }
      if (HEAD_TILES > 2u) {
        q2 = subgroupMatrixMultiplyAccumulate(left, subgroupMatrixLoad<Right, row_major>(&heads, keys + 512u, 16u), q2);
      }
      if (HEAD_TILES > 3u) {
        q3 = subgroupMatrixMultiplyAccumulate(left, subgroupMatrixLoad<Right, row_major>(&heads, keys + 768u, 16u), q3);
      }
      if (HEAD_TILES > 4u) {
        q4 = subgroupMatrixMultiplyAccumulate(left, subgroupMatrixLoad<Right, row_major>(&heads, keys + 1024u, 16u), q4);
      }
      if (HEAD_TILES > 5u) {
        q5 = subgroupMatrixMultiplyAccumulate(left, subgroupMatrixLoad<Right, row_major>(&heads, keys + 1280u, 16u), q5);
      }
      if (HEAD_TILES > 6u) {
        q6 = subgroupMatrixMultiplyAccumulate(left, subgroupMatrixLoad<Right, row_major>(&heads, keys + 1536u, 16u), q6);
      }
      if (HEAD_TILES > 7u) {
        q7 = subgroupMatrixMultiplyAccumulate(left, subgroupMatrixLoad<Right, row_major>(&heads, keys + 1792u, 16u), q7);
      }
    }
    workgroupBarrier();
  }
  subgroupMatrixStore<row_major>(&logits, own, q0, 16u);
  if (HEAD_TILES > 1u) {
    subgroupMatrixStore<row_major>(&logits, own + 256u, q1, 16u);
  }
  workgroupBarrier();
  storeGradient(place, lane, 0u, attention.queryGradScale, true, 0u);
  workgroupBarrier();
  if (HEAD_TILES > 2u) {
    subgroupMatrixStore<row_major>(&logits, own, q2, 16u);
    if (HEAD_TILES > 3u) {
      subgroupMatrixStore<row_major>(&logits, own + 256u, q3, 16u);
    }
    workgroupBarrier();
    storeGradient(place, lane, 0u, attention.queryGradScale, true, 2u);
    workgroupBarrier();
  }
  if (HEAD_TILES > 4u) {
    subgroupMatrixStore<row_major>(&logits, own, q4, 16u);
    if (HEAD_TILES > 5u) {
      subgroupMatrixStore<row_major>(&logits, own + 256u, q5, 16u);
    }
    workgroupBarrier();
    storeGradient(place, lane, 0u, attention.queryGradScale, true, 4u);
    workgroupBarrier();
  }
  if (HEAD_TILES > 6u) {
    subgroupMatrixStore<row_major>(&logits, own, q6, 16u);
    if (HEAD_TILES > 7u) {
      subgroupMatrixStore<row_major>(&logits, own + 256u, q7, 16u);
    }
    workgroupBarrier();
    storeGradient(place, lane, 0u, attention.queryGradScale, true, 6u);
    workgroupBarrier();
  }
}

fn sumOverQueries(place: Place, lane: u32) {
  let own = place.own;
  let start = startOf(place.image, place.head);
  let keyTile = min(place.tile, attention.tokenTiles - 1u);
  let largest = largestScale(place, lane);
  let inverse = select(0.0, 1.0 / largest, largest > 0.0);
  var k0 = Sum();
  var k1 = Sum();
  var k2 = Sum();
  var k3 = Sum();
  var k4 = Sum();
  var k5 = Sum();
  var k6 = Sum();
  var k7 = Sum();
  var v0 = Sum();
  var v1 = Sum();
  var v2 = Sum();
  var v3 = Sum();
  var v4 = Sum();
  var v5 = Sum();
  var v6 = Sum();
  var v7 = Sum();
  for (var chunk = 0u; chunk < attention.queryTiles; chunk += CHUNK) {
    loadQueries(place, lane, chunk, CHUNK, inverse);
    logitsOfQueries(place, chunk, 2u * attention.sectionSize + start + keyTile * 256u);
    gradWeightsOfQueries(place, chunk, 4u * attention.sectionSize + start + keyTile * 256u);
    workgroupBarrier();
    for (var i = lane; i < CHUNK_SIZE; i += SUBGROUP) {
      let query = chunkQueries[own / 16u + i / 16u];
      let isPair = query.scale > 0.0 && keyTile * 16u + i % 16u < attention.tokens;
      let weight = query.scale * select(0.0, exp(attention.logitScale * logits[own + i] - query.logSum), isPair);
      // Transposed: rows are keys.
      let to = own + i / 256u * 256u + i % 16u * 16u + i % 256u / 16u;
      weights[to] = f16(weight);
      gradLogits[to] = f16(attention.gradScale * weight * (gradWeights[own + i] - query.dot));
    }
    workgroupBarrier();
    let tiles = min(CHUNK, attention.queryTiles - chunk);
    for (var t = 0u; t < tiles; t++) {
      let weightTile = subgroupMatrixLoad<Left, row_major>(&weights, own + t * 256u, 16u);
      let gradAt = gradStartOf(place, chunk + t);
      v0 = subgroupMatrixMultiplyAccumulate(weightTile, subgroupMatrixLoad<Right, row_major>(&gradOutput, gradAt, 16u), v0);
      if (HEAD_TILES > 1u) {
        v1 = subgroupMatrixMultiplyAccumulate(weightTile, subgroupMatrixLoad<Right, row_major>(&gradOutput, gradAt + 256u, 16u), v1);
      }
      if (HEAD_TILES > 2u) {
        v2 = subgroupMatrixMultiplyAccumulate(weightTile, subgroupMatrixLoad<Right, row_major>(&gradOutput, gradAt + 512u, 16u), v2);
      }
      if (HEAD_TILES > 3u) {
        v3 = subgroupMatrixMultiplyAccumulate(weightTile, subgroupMatrixLoad<Right, row_major>(&gradOutput, gradAt + 768u, 16u), v3);
      }
      if (HEAD_TILES > 4u) {
        v4 = subgroupMatrixMultiplyAccumulate(weightTile, subgroupMatrixLoad<Right, row_major>(&gradOutput, gradAt + 1024u, 16u), v4);
      }
      if (HEAD_TILES > 5u) {
        v5 = subgroupMatrixMultiplyAccumulate(weightTile, subgroupMatrixLoad<Right, row_major>(&gradOutput, gradAt + 1280u, 16u), v5);
      }
      if (HEAD_TILES > 6u) {
        v6 = subgroupMatrixMultiplyAccumulate(weightTile, subgroupMatrixLoad<Right, row_major>(&gradOutput, gradAt + 1536u, 16u), v6);
      }
      if (HEAD_TILES > 7u) {
        v7 = subgroupMatrixMultiplyAccumulate(weightTile, subgroupMatrixLoad<Right, row_major>(&gradOutput, gradAt + 1792u, 16u), v7);
      }
      let logitTile = subgroupMatrixLoad<Left, row_major>(&gradLogits, own + t * 256u, 16u);
      let queryAt = queryStartOf(place.image, place.head, chunk + t);
      k0 = subgroupMatrixMultiplyAccumulate(logitTile, subgroupMatrixLoad<Right, row_major>(&queries, queryAt, 16u), k0);
      if (HEAD_TILES > 1u) {
        k1 = subgroupMatrixMultiplyAccumulate(logitTile, subgroupMatrixLoad<Right, row_major>(&queries, queryAt + 256u, 16u), k1);
      }
      if (HEAD_TILES > 2u) {
        k2 = subgroupMatrixMultiplyAccumulate(logitTile, subgroupMatrixLoad<Right, row_major>(&queries, queryAt + 512u, 16u), k2);
      }
      if (HEAD_TILES > 3u) {
        k3 = subgroupMatrixMultiplyAccumulate(logitTile, subgroupMatrixLoad<Right, row_major>(&queries, queryAt + 768u, 16u), k3);
      }
      if (HEAD_TILES > 4u) {
        k4 = subgroupMatrixMultiplyAccumulate(logitTile, subgroupMatrixLoad<Right, row_major>(&queries, queryAt + 1024u, 16u), k4);
      }
      if (HEAD_TILES > 5u) {
        k5 = subgroupMatrixMultiplyAccumulate(logitTile, subgroupMatrixLoad<Right, row_major>(&queries, queryAt + 1280u, 16u), k5);
      }
      if (HEAD_TILES > 6u) {
        k6 = subgroupMatrixMultiplyAccumulate(logitTile, subgroupMatrixLoad<Right, row_major>(&queries, queryAt + 1536u, 16u), k6);
      }
      if (HEAD_TILES > 7u) {
        k7 = subgroupMatrixMultiplyAccumulate(logitTile, subgroupMatrixLoad<Right, row_major>(&queries, queryAt + 1792u, 16u), k7);
      }
    }
    workgroupBarrier();
  }
  let part = select(0u, 1u, HAS_QUERY_GRADIENTS);
  subgroupMatrixStore<row_major>(&logits, own, k0, 16u);
  if (HEAD_TILES > 1u) {
    subgroupMatrixStore<row_major>(&logits, own + 256u, k1, 16u);
  }
  workgroupBarrier();
  storeGradient(place, lane, part, largest * attention.queryGradScale, false, 0u);
  workgroupBarrier();
  if (HEAD_TILES > 2u) {
    subgroupMatrixStore<row_major>(&logits, own, k2, 16u);
    if (HEAD_TILES > 3u) {
      subgroupMatrixStore<row_major>(&logits, own + 256u, k3, 16u);
    }
    workgroupBarrier();
    storeGradient(place, lane, part, largest * attention.queryGradScale, false, 2u);
    workgroupBarrier();
  }
  if (HEAD_TILES > 4u) {
    subgroupMatrixStore<row_major>(&logits, own, k4, 16u);
    if (HEAD_TILES > 5u) {
      subgroupMatrixStore<row_major>(&logits, own + 256u, k5, 16u);
    }
    workgroupBarrier();
    storeGradient(place, lane, part, largest * attention.queryGradScale, false, 4u);
    workgroupBarrier();
  }
  if (HEAD_TILES > 6u) {
    subgroupMatrixStore<row_major>(&logits, own, k6, 16u);
    if (HEAD_TILES > 7u) {
      subgroupMatrixStore<row_major>(&logits, own + 256u, k7, 16u);
    }
    workgroupBarrier();
    storeGradient(place, lane, part, largest * attention.queryGradScale, false, 6u);
    workgroupBarrier();
  }
  subgroupMatrixStore<row_major>(&logits, own, v0, 16u);
  if (HEAD_TILES > 1u) {
    subgroupMatrixStore<row_major>(&logits, own + 256u, v1, 16u);
  }
  workgroupBarrier();
  storeGradient(place, lane, part + 1u, largest * attention.valueGradScale, false, 0u);
  workgroupBarrier();
  if (HEAD_TILES > 2u) {
    subgroupMatrixStore<row_major>(&logits, own, v2, 16u);
    if (HEAD_TILES > 3u) {
      subgroupMatrixStore<row_major>(&logits, own + 256u, v3, 16u);
    }
    workgroupBarrier();
    storeGradient(place, lane, part + 1u, largest * attention.valueGradScale, false, 2u);
    workgroupBarrier();
  }
  if (HEAD_TILES > 4u) {
    subgroupMatrixStore<row_major>(&logits, own, v4, 16u);
    if (HEAD_TILES > 5u) {
      subgroupMatrixStore<row_major>(&logits, own + 256u, v5, 16u);
    }
    workgroupBarrier();
    storeGradient(place, lane, part + 1u, largest * attention.valueGradScale, false, 4u);
    workgroupBarrier();
  }
  if (HEAD_TILES > 6u) {
    subgroupMatrixStore<row_major>(&logits, own, v6, 16u);
    if (HEAD_TILES > 7u) {
      subgroupMatrixStore<row_major>(&logits, own + 256u, v7, 16u);
    }
    workgroupBarrier();
    storeGradient(place, lane, part + 1u, largest * attention.valueGradScale, false, 6u);
    workgroupBarrier();
  }
}

// First element of 16 queries in gradOutput.
fn gradStartOf(place: Place, tile: u32) -> u32 {
  return ((place.image * attention.heads + place.head) * attention.queryTiles + tile) * HEAD_TILES * 256u;
}

// What `tiles` tiles of queries from `first` on need beside matrices; scales are multiplied by `factor`.
fn loadQueries(place: Place, lane: u32, first: u32, tiles: u32, factor: f32) {
  for (var i = lane; i < tiles * 16u; i += SUBGROUP) {
    let query = first * 16u + i;
    var found = Query(0.0, 0.0, 0.0);
    if (query < attention.queries) {
      let row = (place.image * attention.heads + place.head) * attention.queries + query;
      found = Query(logSums[row], dots[row], factor * rowScales[place.image * attention.queries + query]);
    }
    chunkQueries[place.own / 16u + i] = found;
  }
}

fn largestScale(place: Place, lane: u32) -> f32 {
  var largest = 0.0;
  for (var query = lane; query < attention.queries; query += SUBGROUP) {
    largest = max(largest, rowScales[place.image * attention.queries + query]);
  }
  return subgroupMax(largest);
}

// The logits of 16 queries with CHUNK tiles of keys from `first` on. Tiles beyond the last repeat it.
fn logitsOfKeys(leftAt: u32, rightAt: u32, first: u32, own: u32) {
  let last = attention.tokenTiles - 1u;
  let r0 = rightAt + min(first, last) * 256u;
  let r1 = rightAt + min(first + 1u, last) * 256u;
  var s0 = Sum();
  var s1 = Sum();
  for (var d = 0u; d < HEAD_TILES; d++) {
    let row = d * attention.tokenTiles * 256u;
    let left = subgroupMatrixLoad<Left, row_major>(&queries, leftAt + d * 256u, 16u);
    s0 = subgroupMatrixMultiplyAccumulate(left, subgroupMatrixLoad<Right, row_major>(&heads, r0 + row, 16u), s0);
    s1 = subgroupMatrixMultiplyAccumulate(left, subgroupMatrixLoad<Right, row_major>(&heads, r1 + row, 16u), s1);
  }
  subgroupMatrixStore<row_major>(&logits, own, s0, 16u);
  subgroupMatrixStore<row_major>(&logits, own + 256u, s1, 16u);
}

// The gradients of the weights of the same pairs.
fn gradWeightsOfKeys(leftAt: u32, rightAt: u32, first: u32, own: u32) {
  let last = attention.tokenTiles - 1u;
  let r0 = rightAt + min(first, last) * 256u;
  let r1 = rightAt + min(first + 1u, last) * 256u;
  var s0 = Sum();
  var s1 = Sum();
  for (var d = 0u; d < HEAD_TILES; d++) {
    let row = d * attention.tokenTiles * 256u;
    let left = subgroupMatrixLoad<Left, row_major>(&gradOutput, leftAt + d * 256u, 16u);
    s0 = subgroupMatrixMultiplyAccumulate(left, subgroupMatrixLoad<Right, row_major>(&heads, r0 + row, 16u), s0);
    s1 = subgroupMatrixMultiplyAccumulate(left, subgroupMatrixLoad<Right, row_major>(&heads, r1 + row, 16u), s1);
  }
  subgroupMatrixStore<row_major>(&gradWeights, own, s0, 16u);
  subgroupMatrixStore<row_major>(&gradWeights, own + 256u, s1, 16u);
}

// The logits of CHUNK tiles of queries from `first` on with 16 keys.
fn logitsOfQueries(place: Place, first: u32, rightAt: u32) {
  let last = attention.queryTiles - 1u;
  let l0 = queryStartOf(place.image, place.head, min(first, last));
  let l1 = queryStartOf(place.image, place.head, min(first + 1u, last));
  var s0 = Sum();
  var s1 = Sum();
  for (var d = 0u; d < HEAD_TILES; d++) {
    let right = subgroupMatrixLoad<Right, row_major>(&heads, rightAt + d * attention.tokenTiles * 256u, 16u);
    s0 = subgroupMatrixMultiplyAccumulate(subgroupMatrixLoad<Left, row_major>(&queries, l0 + d * 256u, 16u), right, s0);
    s1 = subgroupMatrixMultiplyAccumulate(subgroupMatrixLoad<Left, row_major>(&queries, l1 + d * 256u, 16u), right, s1);
  }
  subgroupMatrixStore<row_major>(&logits, place.own, s0, 16u);
  subgroupMatrixStore<row_major>(&logits, place.own + 256u, s1, 16u);
}

// The gradients of the weights of the same pairs.
fn gradWeightsOfQueries(place: Place, first: u32, rightAt: u32) {
  let last = attention.queryTiles - 1u;
  let l0 = gradStartOf(place, min(first, last));
  let l1 = gradStartOf(place, min(first + 1u, last));
  var s0 = Sum();
  var s1 = Sum();
  for (var d = 0u; d < HEAD_TILES; d++) {
    let right = subgroupMatrixLoad<Right, row_major>(&heads, rightAt + d * attention.tokenTiles * 256u, 16u);
    s0 = subgroupMatrixMultiplyAccumulate(subgroupMatrixLoad<Left, row_major>(&gradOutput, l0 + d * 256u, 16u), right, s0);
    s1 = subgroupMatrixMultiplyAccumulate(subgroupMatrixLoad<Left, row_major>(&gradOutput, l1 + d * 256u, 16u), right, s1);
  }
  subgroupMatrixStore<row_major>(&gradWeights, place.own, s0, 16u);
  subgroupMatrixStore<row_major>(&gradWeights, place.own + 256u, s1, 16u);
}

// Stores CHUNK tiles of a part's gradient from `firstTile` of the head's width on, from where they lie in `logits`.
fn storeGradient(place: Place, lane: u32, part: u32, scale: f32, ofQueries: bool, firstTile: u32) {
  let parts = select(2u, 3u, HAS_QUERY_GRADIENTS);
  let width = attention.heads * HEAD_TILES * 16u;
  let tiles = min(CHUNK, HEAD_TILES - firstTile);
  for (var i = lane; i < tiles * 256u; i += SUBGROUP) {
    let token = place.tile * 16u + i % 256u / 16u;
    if (place.exists && token < attention.tokens) {
      var value = scale * logits[place.own + i];
      if (ofQueries) {
        value *= chunkQueries[place.own / 16u + i % 256u / 16u].scale;
      }
      let column = part * width + (place.head * HEAD_TILES + firstTile + i / 256u) * 16u + i % 16u;
      gradHeads[(place.image * attention.tokens + token) * parts * width + column] = value;
    }
  }
}
