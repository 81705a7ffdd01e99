// dL/dx (+)= dL/dcos·(t − cos·x/|x|)/|x| over rows of x [rows, width].

#include <grid>
#include <rowwise>
#include <finite>
#include <cosine-similarity>
#include <input-gradient>

struct Sizes {
  accumulates: u32,
  rows: u32,
  width: u32,
  targetStride: u32,
  // Row of x that is row 0 here.
  firstRow: u32,
}

@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> targets: array<f32>;
@group(0) @binding(3) var<storage, read> gradCosines: array<f32>;
@group(0) @binding(4) var<storage, read_write> gradX: array<f32>;

fn computeRow(row: Row) {
  let sums = dotAndSquares(row);
  if (!row.exists) {
    return;
  }
  let scale = gradCosines[row.index] / sqrt(sums.y);
  for (var i = row.lane; i < sizes.width; i += LANES) {
    let at = (sizes.firstRow + row.index) * sizes.width + i;
    writeGradX(at, scale * (targets[row.index * sizes.targetStride + i] - sums.x / sums.y * x[at]));
  }
}
