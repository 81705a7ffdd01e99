// Matrix products on tensor cores: C = A·Bᵀ with f16 operands and f32 sums. A [rows, depth] and B [columns, depth] are stored as contiguous
// row-major tiles of 16 × 16 (tile (i, j) of a matrix with J tiles a row starts at 256·(i·J + j)), so a fragment is one contiguous load. A
// workgroup has SM × SN × SK subgroups: SM × SN of them tile C with FM × FN fragments each, and SK share the depth, whose sums they add in
// a fixed order. Each fragment is a variable of its own: arrays of fragments leave the registers. Fragments are loaded at constant places of
// views that are just as large, because any other load compares its place with the size of the buffer first. The kernel declares `a`, `b`
// (buffer) and `product: Product`, whose members it may extend, and defines `fn finish(row: u32, column: u32, sum: vec4f)`, called once for
// every four entries of C side by side.

alias Left = subgroup_matrix_left<f16, 16, 16>;
alias Right = subgroup_matrix_right<f16, 16, 16>;
alias Sum = subgroup_matrix_result<f32, 16, 16>;

const SUBGROUPS = SM * SN * SK;
const THREADS = SUBGROUPS * SUBGROUP;
const TILE_BYTES = 512u;
const VIEW_ELEMENTS = UNROLL * 256u;
// Of the second step. A constant place must lie in its view also where UNROLL is 1.
const NEXT_PLACE = (UNROLL - 1u) * 256u;

// One fragment a subgroup: workgroup memory takes from the cache that the loads need.
const SUM_BYTES = SUBGROUPS * 1024u;
var<workgroup> memory: buffer<SUM_BYTES>;

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(subgroup_id) subgroup: u32,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let part = subgroup % SK;
  let rowTile = (group.y * SM + subgroup / (SK * SN)) * FM;
  let columnTile = (group.x * SN + subgroup / SK % SN) * FN;
  let depthTiles = product.depthTiles;
  let lastRow = (product.rows + 15u) / 16u - 1u;
  let lastColumn = product.columnTiles - 1u;
  var s00 = Sum();
  var s01 = Sum();
  var s10 = Sum();
  var s11 = Sum();
  var s20 = Sum();
  var s21 = Sum();
  var s30 = Sum();
  var s31 = Sum();
  // With UNROLL 2, the loads of two steps are under way together; the depth is then a multiple of 2 · SK tiles. Fragments beyond C repeat its
  // last one and are not stored.
  let end = depthTiles * (part + 1u) / SK;
  for (var k = depthTiles * part / SK; k < end; k += UNROLL) {
    let rightView0 = bufferView<array<f16, VIEW_ELEMENTS>>(&b, (min(columnTile, lastColumn) * depthTiles + k) * TILE_BYTES);
    let rightView1 = bufferView<array<f16, VIEW_ELEMENTS>>(&b, (min(columnTile + 1u, lastColumn) * depthTiles + k) * TILE_BYTES);
    let leftView0 = bufferView<array<f16, VIEW_ELEMENTS>>(&a, (min(rowTile, lastRow) * depthTiles + k) * TILE_BYTES);
    let leftView1 = bufferView<array<f16, VIEW_ELEMENTS>>(&a, (min(rowTile + 1u, lastRow) * depthTiles + k) * TILE_BYTES);
    let leftView2 = bufferView<array<f16, VIEW_ELEMENTS>>(&a, (min(rowTile + 2u, lastRow) * depthTiles + k) * TILE_BYTES);
    let leftView3 = bufferView<array<f16, VIEW_ELEMENTS>>(&a, (min(rowTile + 3u, lastRow) * depthTiles + k) * TILE_BYTES);
    let right0 = subgroupMatrixLoad<Right, col_major>(rightView0, 0u, 16u);
    var right1 = Right();
    if (FN > 1u) {
      right1 = subgroupMatrixLoad<Right, col_major>(rightView1, 0u, 16u);
    }
    let left0 = subgroupMatrixLoad<Left, row_major>(leftView0, 0u, 16u);
    var left1 = Left();
    if (FM > 1u) {
      left1 = subgroupMatrixLoad<Left, row_major>(leftView1, 0u, 16u);
    }
    var left2 = Left();
    if (FM > 2u) {
      left2 = subgroupMatrixLoad<Left, row_major>(leftView2, 0u, 16u);
    }
    var left3 = Left();
    if (FM > 3u) {
      left3 = subgroupMatrixLoad<Left, row_major>(leftView3, 0u, 16u);
    }
    var nextRight0 = Right();
    if (UNROLL > 1u) {
      nextRight0 = subgroupMatrixLoad<Right, col_major>(rightView0, NEXT_PLACE, 16u);
    }
    var nextRight1 = Right();
    if (UNROLL > 1u && FN > 1u) {
      nextRight1 = subgroupMatrixLoad<Right, col_major>(rightView1, NEXT_PLACE, 16u);
    }
    var nextLeft0 = Left();
    if (UNROLL > 1u) {
      nextLeft0 = subgroupMatrixLoad<Left, row_major>(leftView0, NEXT_PLACE, 16u);
    }
    var nextLeft1 = Left();
    if (UNROLL > 1u && FM > 1u) {
      nextLeft1 = subgroupMatrixLoad<Left, row_major>(leftView1, NEXT_PLACE, 16u);
    }
    var nextLeft2 = Left();
    if (UNROLL > 1u && FM > 2u) {
      nextLeft2 = subgroupMatrixLoad<Left, row_major>(leftView2, NEXT_PLACE, 16u);
    }
    var nextLeft3 = Left();
    if (UNROLL > 1u && FM > 3u) {
      nextLeft3 = subgroupMatrixLoad<Left, row_major>(leftView3, NEXT_PLACE, 16u);
    }
    s00 = subgroupMatrixMultiplyAccumulate(left0, right0, s00);
    if (FN > 1u) {
      s01 = subgroupMatrixMultiplyAccumulate(left0, right1, s01);
    }
    if (FM > 1u) {
      s10 = subgroupMatrixMultiplyAccumulate(left1, right0, s10);
      if (FN > 1u) {
        s11 = subgroupMatrixMultiplyAccumulate(left1, right1, s11);
      }
    }
    if (FM > 2u) {
      s20 = subgroupMatrixMultiplyAccumulate(left2, right0, s20);
      s30 = subgroupMatrixMultiplyAccumulate(left3, right0, s30);
      if (FN > 1u) {
        s21 = subgroupMatrixMultiplyAccumulate(left2, right1, s21);
        s31 = subgroupMatrixMultiplyAccumulate(left3, right1, s31);
      }
    }
    if (UNROLL > 1u) {
      s00 = subgroupMatrixMultiplyAccumulate(nextLeft0, nextRight0, s00);
      if (FN > 1u) {
        s01 = subgroupMatrixMultiplyAccumulate(nextLeft0, nextRight1, s01);
      }
      if (FM > 1u) {
        s10 = subgroupMatrixMultiplyAccumulate(nextLeft1, nextRight0, s10);
        if (FN > 1u) {
          s11 = subgroupMatrixMultiplyAccumulate(nextLeft1, nextRight1, s11);
        }
      }
      if (FM > 2u) {
        s20 = subgroupMatrixMultiplyAccumulate(nextLeft2, nextRight0, s20);
        s30 = subgroupMatrixMultiplyAccumulate(nextLeft3, nextRight0, s30);
        if (FN > 1u) {
          s21 = subgroupMatrixMultiplyAccumulate(nextLeft2, nextRight1, s21);
          s31 = subgroupMatrixMultiplyAccumulate(nextLeft3, nextRight1, s31);
        }
      }
    }
  }
  let own = bufferView<array<f32, 256>>(&memory, subgroup * 1024u);
  let sums = bufferView<array<vec4f, SUBGROUPS * 64u>>(&memory, 0u);
  // A loop with one copy of its body: a function called for each fragment would move the other fragments out of the registers.
  for (var fragment = 0u; fragment < FM * FN; fragment++) {
    let i = fragment / FN;
    if (fragment % FN == 0u) {
      if (i == 0u) {
        subgroupMatrixStore<row_major>(own, 0u, s00, 16u);
      } else if (i == 1u) {
        subgroupMatrixStore<row_major>(own, 0u, s10, 16u);
      } else if (i == 2u) {
        subgroupMatrixStore<row_major>(own, 0u, s20, 16u);
      } else {
        subgroupMatrixStore<row_major>(own, 0u, s30, 16u);
      }
    } else {
      if (i == 0u) {
        subgroupMatrixStore<row_major>(own, 0u, s01, 16u);
      } else if (i == 1u) {
        subgroupMatrixStore<row_major>(own, 0u, s11, 16u);
      } else if (i == 2u) {
        subgroupMatrixStore<row_major>(own, 0u, s21, 16u);
      } else {
        subgroupMatrixStore<row_major>(own, 0u, s31, 16u);
      }
    }
    workgroupBarrier();
    // The SK subgroups of the same fragment finish a part of it each, four columns at a time.
    for (var place = part * SUBGROUP + lane; place < 64u; place += SK * SUBGROUP) {
      var sum = vec4f();
      for (var p = 0u; p < SK; p++) {
        sum += sums[(subgroup - part + p) * 64u + place];
      }
      let row = (rowTile + i) * 16u + place / 4u;
      let column = (columnTile + fragment % FN) * 16u + place % 4u * 4u;
      if (row < product.rows && column < product.columns) {
        finish(row, column, sum);
      }
    }
    workgroupBarrier();
  }
}

// Place of an entry in a matrix of `tiles` tiles a row.
fn tiled(row: u32, column: u32, tiles: u32) -> u32 {
  return (row / 16u * tiles + column / 16u) * 256u + row % 16u * 16u + column % 16u;
}
