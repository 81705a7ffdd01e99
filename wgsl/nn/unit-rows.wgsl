// y = x/|x| over rows of x [rows, width].

#include <grid>
#include <rowwise>
#include <finite>

struct Sizes {
  rows: u32,
  width: u32,
}

@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

fn computeRow(row: Row) {
  let start = row.index * sizes.width;
  var squares = 0.0;
  for (var i = row.lane; i < sizes.width; i += LANES) {
    squares += x[start + i] * x[start + i];
  }
  let inverseLength = reciprocalRoot(max(rowSum(row, squares), 1e-24));
  if (!row.exists) {
    return;
  }
  for (var i = row.lane; i < sizes.width; i += LANES) {
    y[start + i] = inverseLength * x[start + i];
  }
}
