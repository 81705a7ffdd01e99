// cosines[b] = x_b·t_b / |x_b| over rows of x [rows, width]. Targets t have unit length; `targetStride` is the width, or 0 where
// all rows share one target.

#include <grid>
#include <rowwise>
#include <finite>
#include <cosine-similarity>

struct Sizes {
  rows: u32,
  width: u32,
  targetStride: u32,
  // Row of x that is row 0 here.
  firstRow: u32,
}

@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> targets: array<f32>;
@group(0) @binding(3) var<storage, read_write> cosines: array<f32>;

fn computeRow(row: Row) {
  let sums = dotAndSquares(row);
  if (row.exists && row.lane == 0u) {
    cosines[row.index] = sums.x / sqrt(sums.y);
  }
}
