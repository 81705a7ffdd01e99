// Matrix products on tensor cores: C = A·B with f16 operands and f32 sums. Matrices are stored as contiguous row-major tiles of 16 × 16 (tile
// (i, j) of a matrix with J tiles a row starts at 256·(i·J + j)), so a fragment is one contiguous load. A workgroup has
// SM × SN × SK subgroups: SM × SN of them tile C with FM × FN fragments each, and SK share the depth, whose sums they add in a fixed
// order. Each fragment is a variable of its own: arrays of fragments leave the registers. The kernel declares `a`, `b` (array<f16>) and
// `product: Product`, whose members it may extend, and defines `fn finish(row: u32, column: u32, sum: vec4f)`, called once for
// every four entries of C side by side.

alias Left = subgroup_matrix_left<f16, 16, 16>;
alias Right = subgroup_matrix_right<f16, 16, 16>;
alias Sum = subgroup_matrix_result<f32, 16, 16>;

const SUBGROUPS = SM * SN * SK;
const THREADS = SUBGROUPS * SUBGROUP;

// One fragment a subgroup: workgroup memory takes from the cache that the loads need.
var<workgroup> sums: array<f32, SUBGROUPS * 256>;

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
  let columnTiles = product.columnTiles;
  let rowTiles = (product.rows + 15u) / 16u;
  // Fragments beyond C repeat the last one and are not stored.
  let a0 = min(rowTile, rowTiles - 1u) * depthTiles;
  let a1 = min(rowTile + 1u, rowTiles - 1u) * depthTiles;
  let a2 = min(rowTile + 2u, rowTiles - 1u) * depthTiles;
  let a3 = min(rowTile + 3u, rowTiles - 1u) * depthTiles;
  let b0 = min(columnTile, columnTiles - 1u);
  let b1 = min(columnTile + 1u, columnTiles - 1u);
  var s00 = Sum();
  var s01 = Sum();
  var s10 = Sum();
  var s11 = Sum();
  var s20 = Sum();
  var s21 = Sum();
  var s30 = Sum();
  var s31 = Sum();
  // With UNROLL 2, the loads of two steps are under way together; the depth is then a multiple of 2 · SK tiles.
  for (var k = part; k < depthTiles; k += UNROLL * SK) {
    let next = k + SK;
    let right0 = subgroupMatrixLoad<Right, row_major>(&b, (k * columnTiles + b0) * 256u, 16u);
    var right1 = Right();
    if (FN > 1u) {
      right1 = subgroupMatrixLoad<Right, row_major>(&b, (k * columnTiles + b1) * 256u, 16u);
    }
    let left0 = subgroupMatrixLoad<Left, row_major>(&a, (a0 + k) * 256u, 16u);
    var left1 = Left();
    if (FM > 1u) {
      left1 = subgroupMatrixLoad<Left, row_major>(&a, (a1 + k) * 256u, 16u);
    }
    var left2 = Left();
    var left3 = Left();
    if (FM > 2u) {
      left2 = subgroupMatrixLoad<Left, row_major>(&a, (a2 + k) * 256u, 16u);
      left3 = subgroupMatrixLoad<Left, row_major>(&a, (a3 + k) * 256u, 16u);
    }
    var nextRight0 = Right();
    var nextRight1 = Right();
    var nextLeft0 = Left();
    var nextLeft1 = Left();
    var nextLeft2 = Left();
    var nextLeft3 = Left();
    if (UNROLL > 1u) {
      nextRight0 = subgroupMatrixLoad<Right, row_major>(&b, (next * columnTiles + b0) * 256u, 16u);
      if (FN > 1u) {
        nextRight1 = subgroupMatrixLoad<Right, row_major>(&b, (next * columnTiles + b1) * 256u, 16u);
      }
      nextLeft0 = subgroupMatrixLoad<Left, row_major>(&a, (a0 + next) * 256u, 16u);
      if (FM > 1u) {
        nextLeft1 = subgroupMatrixLoad<Left, row_major>(&a, (a1 + next) * 256u, 16u);
      }
      if (FM > 2u) {
        nextLeft2 = subgroupMatrixLoad<Left, row_major>(&a, (a2 + next) * 256u, 16u);
        nextLeft3 = subgroupMatrixLoad<Left, row_major>(&a, (a3 + next) * 256u, 16u);
      }
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
  // A loop with one copy of its body: a function called for each fragment would move the other fragments out of the registers.
  for (var fragment = 0u; fragment < FM * FN; fragment++) {
    let own = subgroup * 256u;
    let i = fragment / FN;
    if (fragment % FN == 0u) {
      if (i == 0u) {
        subgroupMatrixStore<row_major>(&sums, own, s00, 16u);
      } else if (i == 1u) {
        subgroupMatrixStore<row_major>(&sums, own, s10, 16u);
      } else if (i == 2u) {
        subgroupMatrixStore<row_major>(&sums, own, s20, 16u);
      } else {
        subgroupMatrixStore<row_major>(&sums, own, s30, 16u);
      }
    } else {
      if (i == 0u) {
        subgroupMatrixStore<row_major>(&sums, own, s01, 16u);
      } else if (i == 1u) {
        subgroupMatrixStore<row_major>(&sums, own, s11, 16u);
      } else if (i == 2u) {
        subgroupMatrixStore<row_major>(&sums, own, s21, 16u);
      } else {
        subgroupMatrixStore<row_major>(&sums, own, s31, 16u);
      }
    }
    workgroupBarrier();
    // The SK subgroups of the same fragment finish a part of it each, four columns at a time.
    for (var place = part * SUBGROUP + lane; place < 64u; place += SK * SUBGROUP) {
      var sum = vec4f();
      for (var p = 0u; p < SK; p++) {
        let at = (subgroup - part + p) * 256u + 4u * place;
        sum += vec4f(sums[at], sums[at + 1u], sums[at + 2u], sums[at + 3u]);
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
