// The gradients of keys and values of attention: sums over the queries of the tiles that attention-backward stored, transposed, times queries
// and gradients of the output. A subgroup takes KEY_TILES × COLUMN_TILES tiles of a part's gradient of a (image, head): the first half of the
// workgroups along x for keys, the other half for values.

#include <attention-heads>
#include <largest-scale>

@group(0) @binding(0) var<uniform> attention: Attention;
@group(0) @binding(1) var<storage, read> queries: array<f16>;
@group(0) @binding(2) var<storage, read> gradOutput: array<f16>;
@group(0) @binding(3) var<storage, read> rowScales: array<f32>;
@group(0) @binding(4) var<storage, read> pairs: array<f16>;
@group(0) @binding(5) var<storage, read_write> gradHeads: array<vec4f>;

const KEY_TILES = 2u;
const COLUMN_TILES = min(4u, HEAD_TILES);

var<workgroup> sums: array<f32, 256>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let tokenTiles = attention.tokenTiles;
  let keyGroups = (tokenTiles + KEY_TILES - 1u) / KEY_TILES;
  let columnGroups = (HEAD_TILES + COLUMN_TILES - 1u) / COLUMN_TILES;
  let ofValues = group.x >= keyGroups * columnGroups;
  let keyTile = group.x % keyGroups * KEY_TILES;
  let columnTile = group.x / keyGroups % columnGroups * COLUMN_TILES;
  let head = group.y;
  let image = attention.firstImage + group.z;
  // Tiles beyond the last repeat it and are not stored.
  let start = (group.z * attention.heads + head) * attention.queryTiles * tokenTiles * 512u;
  let a0 = start + keyTile * 512u;
  let a1 = start + min(keyTile + 1u, tokenTiles - 1u) * 512u;
  let b0 = columnTile * 256u;
  let b1 = min(columnTile + 1u, HEAD_TILES - 1u) * 256u;
  let b2 = min(columnTile + 2u, HEAD_TILES - 1u) * 256u;
  let b3 = min(columnTile + 3u, HEAD_TILES - 1u) * 256u;
  var s00 = Sum();
  var s01 = Sum();
  var s02 = Sum();
  var s03 = Sum();
  var s10 = Sum();
  var s11 = Sum();
  var s12 = Sum();
  var s13 = Sum();
  if (ofValues) {
    for (var tile = 0u; tile < attention.queryTiles; tile++) {
      let row = tile * tokenTiles * 512u;
      let left0 = subgroupMatrixLoad<Left, col_major>(&pairs, a0 + row, 16u);
      let left1 = subgroupMatrixLoad<Left, col_major>(&pairs, a1 + row, 16u);
      let at = gradStartOf(image, head, tile);
      let right0 = subgroupMatrixLoad<Right, row_major>(&gradOutput, at + b0, 16u);
      s00 = subgroupMatrixMultiplyAccumulate(left0, right0, s00);
      s10 = subgroupMatrixMultiplyAccumulate(left1, right0, s10);
      if (COLUMN_TILES > 1u) {
        let right = subgroupMatrixLoad<Right, row_major>(&gradOutput, at + b1, 16u);
        s01 = subgroupMatrixMultiplyAccumulate(left0, right, s01);
        s11 = subgroupMatrixMultiplyAccumulate(left1, right, s11);
      }
      if (COLUMN_TILES > 2u) {
        let right = subgroupMatrixLoad<Right, row_major>(&gradOutput, at + b2, 16u);
        s02 = subgroupMatrixMultiplyAccumulate(left0, right, s02);
        s12 = subgroupMatrixMultiplyAccumulate(left1, right, s12);
      }
      if (COLUMN_TILES > 3u) {
        let right = subgroupMatrixLoad<Right, row_major>(&gradOutput, at + b3, 16u);
        s03 = subgroupMatrixMultiplyAccumulate(left0, right, s03);
        s13 = subgroupMatrixMultiplyAccumulate(left1, right, s13);
      }
    }
  } else {
    for (var tile = 0u; tile < attention.queryTiles; tile++) {
      let row = tile * tokenTiles * 512u + 256u;
      let left0 = subgroupMatrixLoad<Left, col_major>(&pairs, a0 + row, 16u);
      let left1 = subgroupMatrixLoad<Left, col_major>(&pairs, a1 + row, 16u);
      let at = queryStartOf(image, head, tile);
      let right0 = subgroupMatrixLoad<Right, row_major>(&queries, at + b0, 16u);
      s00 = subgroupMatrixMultiplyAccumulate(left0, right0, s00);
      s10 = subgroupMatrixMultiplyAccumulate(left1, right0, s10);
      if (COLUMN_TILES > 1u) {
        let right = subgroupMatrixLoad<Right, row_major>(&queries, at + b1, 16u);
        s01 = subgroupMatrixMultiplyAccumulate(left0, right, s01);
        s11 = subgroupMatrixMultiplyAccumulate(left1, right, s11);
      }
      if (COLUMN_TILES > 2u) {
        let right = subgroupMatrixLoad<Right, row_major>(&queries, at + b2, 16u);
        s02 = subgroupMatrixMultiplyAccumulate(left0, right, s02);
        s12 = subgroupMatrixMultiplyAccumulate(left1, right, s12);
      }
      if (COLUMN_TILES > 3u) {
        let right = subgroupMatrixLoad<Right, row_major>(&queries, at + b3, 16u);
        s03 = subgroupMatrixMultiplyAccumulate(left0, right, s03);
        s13 = subgroupMatrixMultiplyAccumulate(left1, right, s13);
      }
    }
  }
  let parts = select(2u, 3u, HAS_QUERY_GRADIENTS);
  let part = parts - select(2u, 1u, ofValues);
  let width = attention.heads * HEAD_TILES * 16u;
  let scale = largestScale(image, lane) * select(attention.queryGradScale, attention.valueGradScale, ofValues);
  // One copy of the code that stores a tile.
  for (var i = 0u; i < KEY_TILES * COLUMN_TILES; i++) {
    switch (i) {
      case 0u: {
        subgroupMatrixStore<row_major>(&sums, 0u, s00, 16u);
      }
      case 1u: {
        subgroupMatrixStore<row_major>(&sums, 0u, s10, 16u);
      }
      case 2u: {
        subgroupMatrixStore<row_major>(&sums, 0u, s01, 16u);
      }
      case 3u: {
        subgroupMatrixStore<row_major>(&sums, 0u, s11, 16u);
      }
      case 4u: {
        subgroupMatrixStore<row_major>(&sums, 0u, s02, 16u);
      }
      case 5u: {
        subgroupMatrixStore<row_major>(&sums, 0u, s12, 16u);
      }
      case 6u: {
        subgroupMatrixStore<row_major>(&sums, 0u, s03, 16u);
      }
      default: {
        subgroupMatrixStore<row_major>(&sums, 0u, s13, 16u);
      }
    }
    workgroupBarrier();
    let tile = keyTile + i % KEY_TILES;
    let column = columnTile + i / KEY_TILES;
    for (var quad = lane; quad < 64u; quad += SUBGROUP) {
      let token = tile * 16u + quad / 4u;
      if (token < attention.tokens && column < HEAD_TILES) {
        let at = 4u * quad;
        let to = (image * attention.tokens + token) * parts * width + part * width + (head * HEAD_TILES + column) * 16u;
        gradHeads[to / 4u + quad % 4u] = scale * vec4f(sums[at], sums[at + 1u], sums[at + 2u], sums[at + 3u]);
      }
    }
    workgroupBarrier();
  }
}
