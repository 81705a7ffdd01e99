// Gradients of attention on tensor cores, without stored weights (Dao et al. 2022): the weights follow again from queries, keys and the kept
// logSums. A workgroup takes 16 queries of a (image, head), and its subgroups share the keys, CHUNK tiles at a time. It writes the
// gradients of the queries, and what attention-backward-keys sums over the queries: pairs [image·head of the dispatch, queryTiles, tokenTiles], of
// two tiles each, weights and gradients of logits. gradHeads is f32 [images·tokens, parts·heads·HEAD_TILES·16], parts being queries (unless
// all images share them), keys and values; a token that is no query has a zero gradient there.
// The rows of gradOutput were divided by rowScales. The stored tiles have all rows at the largest scale of the image.

#include <attention-heads>
#include <largest-scale>

@group(0) @binding(0) var<uniform> attention: Attention;
@group(0) @binding(1) var<storage, read> queries: array<f16>;
@group(0) @binding(2) var<storage, read> heads: array<f16>;
// Tiled by (image, head), as queries.
@group(0) @binding(3) var<storage, read> gradOutput: array<f16>;
@group(0) @binding(4) var<storage, read> output: array<f16>;
@group(0) @binding(5) var<storage, read> logSums: array<f32>;
@group(0) @binding(6) var<storage, read> rowScales: array<f32>;
@group(0) @binding(7) var<storage, read_write> pairs: array<vec2<f16>>;
@group(0) @binding(8) var<storage, read_write> gradHeads: array<f32>;

struct Query {
  logSum: f32,
  // Of the output and its gradient: what the gradients of the weights lose in the softmax.
  dot: f32,
  // 0 for a row that is no query.
  scale: f32,
  // The scale divided by the largest of the image.
  relative: f32,
}

var<workgroup> logits: array<f32, SUBGROUPS * CHUNK_SIZE>;
var<workgroup> gradWeights: array<f32, SUBGROUPS * CHUNK_SIZE>;
var<workgroup> gradLogits: array<f16, SUBGROUPS * CHUNK_SIZE>;
var<workgroup> rows: array<Query, 16>;
// By query and tile of the head.
var<workgroup> dots: array<f32, 16 * HEAD_TILES>;

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(subgroup_id) subgroup: u32,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let head = group.y;
  let image = attention.firstImage + group.z;
  let thread = subgroup * SUBGROUP + lane;
  let tokenTiles = attention.tokenTiles;
  let isQueryTile = group.x < attention.queryTiles;
  let queryTile = min(group.x, attention.queryTiles - 1u);
  let start = startOf(image, head);
  let keys = attention.sectionSize + start;
  let values = 2u * attention.sectionSize + start;
  let queryAt = queryStartOf(image, head, queryTile);
  let gradAt = gradStartOf(image, head, queryTile);
  let pairsAt = ((group.z * attention.heads + head) * attention.queryTiles + queryTile) * tokenTiles * 512u;
  let last = tokenTiles - 1u;
  let own = subgroup * CHUNK_SIZE;

  for (var i = thread; i < 16u * HEAD_TILES; i += THREADS) {
    let row = i % 16u;
    let tile = i / 16u;
    let query = min(queryTile * 16u + row, attention.queries - 1u);
    let outputAt = tiled(image * attention.queries + query, (head * HEAD_TILES + tile) * 16u, attention.heads * HEAD_TILES);
    var sum = 0.0;
    for (var d = 0u; d < 16u; d++) {
      sum += f32(output[outputAt + d]) * f32(gradOutput[gradAt + tile * 256u + row * 16u + d]);
    }
    dots[i] = sum;
  }
  let largest = largestScale(image, lane);
  workgroupBarrier();
  for (var row = thread; row < 16u; row += THREADS) {
    var found = Query(0.0, 0.0, 0.0, 0.0);
    let query = group.x * 16u + row;
    if (query < attention.queries) {
      var dot = 0.0;
      for (var tile = 0u; tile < HEAD_TILES; tile++) {
        dot += dots[tile * 16u + row];
      }
      let scale = rowScales[image * attention.queries + query];
      let relative = select(0.0, scale / largest, largest > 0.0);
      found = Query(logSums[(image * attention.heads + head) * attention.queries + query], dot, scale, relative);
    }
    rows[row] = found;
  }

  var q0 = Sum();
  var q1 = Sum();
  var q2 = Sum();
  var q3 = Sum();
  var q4 = Sum();
  var q5 = Sum();
  var q6 = Sum();
  var q7 = Sum();
  for (var round = 0u; round < tokenTiles; round += SUBGROUPS * CHUNK) {
    let first = round + subgroup * CHUNK;
    let at0 = min(first, last) * HEAD_TILES * 256u;
    let at1 = min(first + 1u, last) * HEAD_TILES * 256u;
    var s0 = Sum();
    var s1 = Sum();
    var g0 = Sum();
    var g1 = Sum();
    for (var d = 0u; d < HEAD_TILES; d++) {
      let left = subgroupMatrixLoad<Left, row_major>(&queries, queryAt + d * 256u, 16u);
      s0 = subgroupMatrixMultiplyAccumulate(left, subgroupMatrixLoad<Right, col_major>(&heads, keys + at0 + d * 256u, 16u), s0);
      s1 = subgroupMatrixMultiplyAccumulate(left, subgroupMatrixLoad<Right, col_major>(&heads, keys + at1 + d * 256u, 16u), s1);
      let gradLeft = subgroupMatrixLoad<Left, row_major>(&gradOutput, gradAt + d * 256u, 16u);
      g0 = subgroupMatrixMultiplyAccumulate(gradLeft, subgroupMatrixLoad<Right, col_major>(&heads, values + at0 + d * 256u, 16u), g0);
      g1 = subgroupMatrixMultiplyAccumulate(gradLeft, subgroupMatrixLoad<Right, col_major>(&heads, values + at1 + d * 256u, 16u), g1);
    }
    subgroupMatrixStore<row_major>(&logits, own, s0, 16u);
    subgroupMatrixStore<row_major>(&logits, own + 256u, s1, 16u);
    subgroupMatrixStore<row_major>(&gradWeights, own, g0, 16u);
    subgroupMatrixStore<row_major>(&gradWeights, own + 256u, g1, 16u);
    workgroupBarrier();
    let tiles = min(CHUNK, tokenTiles - min(first, tokenTiles));
    for (var i = 2u * lane; i < CHUNK_SIZE; i += 2u * SUBGROUP) {
      let query = rows[i % 256u / 16u];
      let key = (first + i / 256u) * 16u + i % 16u;
      let isPair = vec2(query.scale > 0.0) & vec2(key < attention.tokens, key + 1u < attention.tokens);
      let logit = attention.logitScale * vec2f(logits[own + i], logits[own + i + 1u]);
      let weight = select(vec2f(), exp(logit - query.logSum), isPair);
      let gradLogit = attention.gradScale * weight * (vec2f(gradWeights[own + i], gradWeights[own + i + 1u]) - query.dot);
      let halves = vec2<f16>(gradLogit);
      gradLogits[own + i] = halves.x;
      gradLogits[own + i + 1u] = halves.y;
      if (isQueryTile && i < tiles * 256u) {
        let to = (pairsAt + (first + i / 256u) * 512u + i % 256u) / 2u;
        pairs[to] = vec2<f16>(query.relative * weight);
        pairs[to + 128u] = vec2<f16>(query.relative * gradLogit);
      }
    }
    workgroupBarrier();
    if (HAS_QUERY_GRADIENTS) {
      for (var t = 0u; t < tiles; t++) {
        let left = subgroupMatrixLoad<Left, row_major>(&gradLogits, own + t * 256u, 16u);
        let key = keys + (first + t) * HEAD_TILES * 256u;
        q0 = subgroupMatrixMultiplyAccumulate(left, subgroupMatrixLoad<Right, row_major>(&heads, key, 16u), q0);
        if (HEAD_TILES > 1u) {
          q1 = subgroupMatrixMultiplyAccumulate(left, subgroupMatrixLoad<Right, row_major>(&heads, key + 256u, 16u), q1);
        }
        if (HEAD_TILES > 2u) {
          q2 = subgroupMatrixMultiplyAccumulate(left, subgroupMatrixLoad<Right, row_major>(&heads, key + 512u, 16u), q2);
        }
        if (HEAD_TILES > 3u) {
          q3 = subgroupMatrixMultiplyAccumulate(left, subgroupMatrixLoad<Right, row_major>(&heads, key + 768u, 16u), q3);
        }
        if (HEAD_TILES > 4u) {
          q4 = subgroupMatrixMultiplyAccumulate(left, subgroupMatrixLoad<Right, row_major>(&heads, key + 1024u, 16u), q4);
        }
        if (HEAD_TILES > 5u) {
          q5 = subgroupMatrixMultiplyAccumulate(left, subgroupMatrixLoad<Right, row_major>(&heads, key + 1280u, 16u), q5);
        }
        if (HEAD_TILES > 6u) {
          q6 = subgroupMatrixMultiplyAccumulate(left, subgroupMatrixLoad<Right, row_major>(&heads, key + 1536u, 16u), q6);
        }
        if (HEAD_TILES > 7u) {
          q7 = subgroupMatrixMultiplyAccumulate(left, subgroupMatrixLoad<Right, row_major>(&heads, key + 1792u, 16u), q7);
        }
      }
    }
    workgroupBarrier();
  }
  if (HAS_QUERY_GRADIENTS) {
    let width = attention.heads * HEAD_TILES * 16u;
    // CHUNK tiles of the gradient at a time pass through the space of the logits. One copy of the code that adds them up.
    for (var tile = 0u; tile < HEAD_TILES; tile += CHUNK) {
      if (tile == 0u) {
        subgroupMatrixStore<row_major>(&logits, own, q0, 16u);
        if (HEAD_TILES > 1u) {
          subgroupMatrixStore<row_major>(&logits, own + 256u, q1, 16u);
        }
      } else if (tile == 2u) {
        subgroupMatrixStore<row_major>(&logits, own, q2, 16u);
        if (HEAD_TILES > 3u) {
          subgroupMatrixStore<row_major>(&logits, own + 256u, q3, 16u);
        }
      } else if (tile == 4u) {
        subgroupMatrixStore<row_major>(&logits, own, q4, 16u);
        if (HEAD_TILES > 5u) {
          subgroupMatrixStore<row_major>(&logits, own + 256u, q5, 16u);
        }
      } else {
        subgroupMatrixStore<row_major>(&logits, own, q6, 16u);
        if (HEAD_TILES > 7u) {
          subgroupMatrixStore<row_major>(&logits, own + 256u, q7, 16u);
        }
      }
      workgroupBarrier();
      for (var i = thread; i < min(CHUNK, HEAD_TILES - tile) * 256u; i += THREADS) {
        let token = group.x * 16u + i % 256u / 16u;
        if (token < attention.tokens) {
          var sum = 0.0;
          for (var s = 0u; s < SUBGROUPS; s++) {
            sum += logits[s * CHUNK_SIZE + i];
          }
          let column = (head * HEAD_TILES + tile + i / 256u) * 16u + i % 16u;
          let row = image * attention.tokens + token;
          gradHeads[row * 3u * width + column] = attention.queryGradScale * rows[i % 256u / 16u].scale * sum;
        }
      }
      workgroupBarrier();
    }
  }
}
