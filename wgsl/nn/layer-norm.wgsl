// y = (x − mean)/√(variance + epsilon)·weight + bias over rows of x [rows, width]. Keeps the mean and the reciprocal standard
// deviation in `statistics` [rows, 2] for backward. The variance is that of the centred values (two passes): some channels of
// transformers are a hundred times larger than the others, where Σx² − (Σx)² cancels.

#include <grid>
#include <rowwise>
#include <finite>

struct Sizes {
  rows: u32,
  width: u32,
  epsilon: f32,
}

@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;
@group(0) @binding(5) var<storage, read_write> statistics: array<f32>;

fn computeRow(row: Row) {
  let start = row.index * sizes.width;
  var sum = 0.0;
  for (var i = row.lane; i < sizes.width; i += LANES) {
    sum += x[start + i];
  }
  let mean = rowSum(row, sum) / f32(sizes.width);
  var squares = 0.0;
  for (var i = row.lane; i < sizes.width; i += LANES) {
    let centred = x[start + i] - mean;
    squares += centred * centred;
  }
  let reciprocalDeviation = reciprocalRoot(rowSum(row, squares) / f32(sizes.width) + sizes.epsilon);
  if (!row.exists) {
    return;
  }
  for (var i = row.lane; i < sizes.width; i += LANES) {
    y[start + i] = (x[start + i] - mean) * reciprocalDeviation * weight[i] + bias[i];
  }
  if (row.lane == 0u) {
    statistics[2u * row.index] = mean;
    statistics[2u * row.index + 1u] = reciprocalDeviation;
  }
}
